"""Which pages of other origins may call, by every protocol, and the team's own routes."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from greeter.app import serve
from greeter.settings import PREFIX, Settings
from greeter_service.v1 import greeter_pb2 as pb
from http2_wire import http2
from polyrpc import SettingsError
from polyrpc.framework.imports import Gateway, get
from protocol_clients import envelope
from pydantic import SecretStr
from serving import http_client
from wire import until

PAGE = "https://app.example.com"
OTHER = "https://evil.example.com"
NAME = pb.SayHelloRequest(name="Ada").SerializeToString()
REQUESTS: dict[str, tuple[str, str, bytes, str]] = {
    "http": ("POST", "/grpc/greeterservice/sayhello", b"{}", "application/json"),
    "rest": ("GET", "/v1/greetings/Ada", b"", ""),
    "grpc-web": (
        "POST",
        "/greeter_service.v1.Greeter/SayHello",
        envelope(NAME),
        "application/grpc-web",
    ),
    "connect": ("POST", "/greeter_service.v1.Greeter/SayHello", NAME, "application/proto"),
    "own route": ("GET", "/hello", b"", ""),
    "unknown path": ("GET", "/nothing", b"", ""),
    "metrics": ("GET", "/metrics", b"", ""),
}
EVERY = pytest.mark.parametrize("request_of", REQUESTS.values(), ids=REQUESTS)


@get()
async def hello() -> str:
    return "hello"


def settings_of(origins: str | None, **others: Any) -> Settings:
    return Settings(http_port=0, grpc_port=0, cors_allow_origins=origins, **others)


@pytest.fixture
def settings() -> Settings:
    return settings_of(f"{PAGE}, http://localhost:5173", auth_tokens=SecretStr("token"))


@pytest.fixture
def service_arguments() -> dict[str, Any]:
    return {"routes": [Gateway("/hello", handler=hello)]}


async def send(http: httpx.AsyncClient, request_of: Any, **headers: str) -> httpx.Response:
    method, path, body, content_type = request_of
    if content_type:
        headers["content-type"] = content_type
    return await http.request(method, path, content=body, headers=headers)


async def ask(http: httpx.AsyncClient, path: str, origin: str = PAGE) -> httpx.Response:
    return await http.options(
        path,
        headers={
            "origin": origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,connect-protocol-version,content-type",
        },
    )


@EVERY
async def test_a_preflight_is_answered_without_a_token(
    http: httpx.AsyncClient, request_of: Any
) -> None:
    response = await ask(http, request_of[1])
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["access-control-allow-origin"] == PAGE
    assert response.headers["access-control-allow-credentials"] == "true"
    assert "POST" in response.headers["access-control-allow-methods"]
    assert response.headers["access-control-allow-headers"] == (
        "authorization,connect-protocol-version,content-type"
    )
    assert int(response.headers["access-control-max-age"]) > 0
    assert "origin" in response.headers["vary"]


@EVERY
async def test_a_preflight_of_another_origin_allows_nothing(
    http: httpx.AsyncClient, request_of: Any
) -> None:
    response = await ask(http, request_of[1], OTHER)
    assert response.status_code == 204
    assert not any(name.startswith("access-control") for name in response.headers)


@EVERY
@pytest.mark.parametrize("token", ["token", "wrong"])
async def test_a_response_may_be_read_by_that_origin_alone(
    http: httpx.AsyncClient, request_of: Any, token: str
) -> None:
    authorization = f"Bearer {token}"
    response = await send(http, request_of, origin=PAGE, authorization=authorization)
    assert response.headers["access-control-allow-origin"] == PAGE
    assert response.headers["access-control-allow-credentials"] == "true"
    exposed = response.headers["access-control-expose-headers"].split(", ")
    assert {"x-request-id", "grpc-status", "grpc-message", "grpc-status-details-bin"} < {*exposed}
    assert len(exposed) == len(set(exposed))
    assert "*" not in exposed
    response = await send(http, request_of, origin=OTHER, authorization=authorization)
    assert not any(name.startswith("access-control") for name in response.headers)
    assert "origin" in response.headers["vary"]
    response = await send(http, request_of, authorization=authorization)
    assert "origin" in response.headers["vary"]


async def test_trailing_metadata_are_exposed_as_they_are_sent(http: httpx.AsyncClient) -> None:
    response = await send(http, REQUESTS["connect"], origin=PAGE)
    assert response.status_code == 401
    exposed = response.headers["access-control-expose-headers"].split(", ")
    assert {"www-authenticate", "connect-content-encoding"} < {*exposed}


@pytest.mark.parametrize("settings", [settings_of("*")])
@EVERY
async def test_any_origin_may_read_without_credentials(
    http: httpx.AsyncClient, request_of: Any
) -> None:
    for response in (await ask(http, request_of[1]), await send(http, request_of, origin=PAGE)):
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in response.headers


@pytest.mark.parametrize("settings", [settings_of(None)])
@EVERY
async def test_nobody_else_may_unless_it_is_said(http: httpx.AsyncClient, request_of: Any) -> None:
    response = await send(http, request_of, origin=PAGE)
    assert not any(name.startswith("access-control") for name in response.headers)
    assert (await ask(http, request_of[1])).status_code in (404, 405)


@pytest.mark.parametrize("headers", ["a b", "a\tb", "a,,b", "(a)", "a\x7fb"])
async def test_what_is_no_list_of_headers_is_not_allowed(
    http: httpx.AsyncClient, headers: str
) -> None:
    response = await http.options(
        "/hello",
        headers={
            "origin": PAGE,
            "access-control-request-method": "GET",
            "access-control-request-headers": headers,
        },
    )
    assert "access-control-allow-headers" not in response.headers


NOT_FOR_THE_APPLICATION: dict[str, tuple[list[tuple[str, str]], bytes, int]] = {
    "headers too large": ([("x", "e" * 20_000)], b"", 431),
    "a large body": ([], bytes(100_000), 413),
}


@pytest.mark.parametrize("why", NOT_FOR_THE_APPLICATION)
async def test_what_the_server_itself_refuses_may_be_read_as_well(why: str) -> None:
    more, body, status = NOT_FOR_THE_APPLICATION[why]
    async with serve(settings_of(PAGE, http2=True)) as service:
        port = service.http_port
        for origin, allowed in ((PAGE, PAGE), (OTHER, None)):
            fields = [("origin", origin), *more]
            async with http_client(port) as http:
                response = await http.request("GET", "/hello", content=body, headers=fields)
            async with http2(port) as client:
                stream = client.ask("/hello", *fields, body=body, method="GET")
                answer = await client.response(stream)
            assert response.status_code == answer.status == status
            for headers in (response.headers, answer.headers):
                assert headers.get("access-control-allow-origin") == allowed
                assert headers["vary"] == "origin"


async def test_so_may_that_it_stops() -> None:
    begun: list[Any] = []

    @get()
    async def endless() -> None:
        begun.append(None)
        await asyncio.Event().wait()

    routes = [Gateway("/endless", handler=endless)]
    async with (
        serve(settings_of(PAGE, http2=True), routes=routes) as service,
        http_client(service.http_port) as http,
        http2(service.http_port) as client,
    ):
        asked = asyncio.ensure_future(http.get("/endless", headers={"origin": PAGE}))
        stream = client.ask("/endless", ("origin", PAGE), method="GET")
        await until(lambda: len(begun) == 2)
        await service.stop(0.0)
        response, answer = await asked, await client.response(stream)
    assert response.status_code == answer.status == 503
    for headers in (response.headers, answer.headers):
        assert headers["access-control-allow-origin"] == PAGE


@pytest.mark.parametrize(
    "origins",
    [
        "",
        " , ",
        "example.com",
        "https://example.com/",
        "*, https://example.com",
        "null",
        "https://*",
    ],
)
def test_what_is_no_origin_stops_the_start(origins: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}CORS_ALLOW_ORIGINS", origins)
    with pytest.raises(SettingsError, match=f"^{PREFIX}CORS_ALLOW_ORIGINS: "):
        Settings()


@pytest.mark.parametrize(
    "origins", ["*", PAGE, f"{PAGE},http://localhost:5173", "http://[::1]:8080", "app://local"]
)
def test_origins_are_read_from_the_environment(
    origins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{PREFIX}CORS_ALLOW_ORIGINS", origins)
    assert Settings().cors_allow_origins == origins

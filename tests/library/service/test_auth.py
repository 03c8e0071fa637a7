"""Bearer tokens: who may call, and what stays open."""

from __future__ import annotations

import logging
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.message import Message
from greeter.app import serve
from greeter.settings import PREFIX, Settings
from greeter_service.v1 import greeter_pb2 as pb
from greeter_service.v1 import greeter_pb2_grpc as pb_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc
from polyrpc import SettingsError
from polyrpc.process.server import Server
from polyrpc.rpc.caller import Caller, caller
from polyrpc.testing import Call
from pydantic import SecretStr
from serving import http_client

TOKEN = "bXktdG9rZW4="
CALLS: list[tuple[str, Message]] = [
    ("SayHello", pb.SayHelloRequest(name="Ada")),
    ("WatchGreetings", pb.WatchGreetingsRequest(name="Ada", count=1)),
    ("CollectNames", pb.CollectNamesRequest(name="Ada")),
    ("Chat", pb.ChatRequest(name="Ada")),
]


@pytest.fixture
def settings() -> Settings:
    return Settings(http_port=0, grpc_port=0, auth_tokens=SecretStr(f"other, {TOKEN}"))


@pytest.mark.parametrize(("rpc", "request_message"), CALLS)
async def test_a_token_opens_every_rpc(call: Call, rpc: str, request_message: Message) -> None:
    outcome = await call(rpc, request_message, authorization=f"Bearer {TOKEN}")
    assert outcome.status == "OK"


@pytest.mark.parametrize(("rpc", "request_message"), CALLS[:2])
async def test_no_rpc_is_open_without(call: Call, rpc: str, request_message: Message) -> None:
    assert (await call(rpc, request_message)).status == "UNAUTHENTICATED"


@pytest.mark.parametrize("rpc", ["CollectNames", "Chat"])
async def test_no_stream_of_requests_is_open_without(
    stub: pb_grpc.GreeterAsyncStub, http: httpx.AsyncClient, rpc: str
) -> None:
    path = f"/grpc/greeterservice/{rpc.lower()}"
    assert (await http.post(path, content="[]")).status_code == 401
    # Nothing is sent: a client of grpc.aio that is refused while it sends reports a fault instead.
    assert await getattr(stub, rpc)().code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("credentials", [f"Bearer {TOKEN}x", "Bearer", TOKEN, f"Basic {TOKEN}"])
async def test_anything_but_a_token_is_refused(call: Call, credentials: str) -> None:
    outcome = await call("SayHello", pb.SayHelloRequest(), authorization=credentials)
    assert outcome.status == "UNAUTHENTICATED"
    assert outcome.initial_metadata["www-authenticate"] == "Bearer"


async def test_a_stranger_learns_nothing_of_a_wrong_body(http: httpx.AsyncClient) -> None:
    response = await http.post("/grpc/greeterservice/sayhello", content="{")
    assert response.status_code == 401


RPC_PATH = "/greeter_service.v1.Greeter/SayHello"


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("PUT", "/grpc/greeterservice/sayhello", {}),
        ("PUT", RPC_PATH, {}),
        ("OPTIONS", "/v1/greetings/Ada", {}),
        ("GET", "/v1/greetings/%zz", {}),
        ("POST", RPC_PATH, {"content-type": "text/plain"}),
        ("POST", RPC_PATH, {"content-type": "application/grpc"}),
        ("POST", "/greeter_service.v1.Greeter/No", {"content-type": "application/grpc"}),
        ("GET", f"{RPC_PATH}?encoding=no", {}),
    ],
)
async def test_a_stranger_does_not_learn_what_an_rpc_answers_to(
    http: httpx.AsyncClient, method: str, path: str, headers: dict[str, str]
) -> None:
    refused = await http.request(method, path, headers=headers)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.json()["status"] == "UNAUTHENTICATED"
    assert any(name.endswith("x-request-id") for name in refused.headers)
    told = await http.request(method, path, headers={**headers, "authorization": f"Bearer {TOKEN}"})
    assert told.status_code in (400, 405, 415)


@pytest.mark.parametrize("path", ["/grpc/greeterservice/sayhello", "/openapi.json"])
async def test_a_token_need_not_be_ascii(path: str) -> None:
    settings = Settings(http_port=0, grpc_port=0, auth_tokens=SecretStr("schlüssel"))
    async with serve(settings) as service, http_client(service.http_port) as http:
        for token, status in (("schlüssel", 200), ("schlüsse", 401)):
            headers = [(b"authorization", f"Bearer {token}".encode())]
            method = "GET" if path == "/openapi.json" else "POST"
            response = await http.request(method, path, headers=headers)
            assert response.status_code == status


async def test_the_openapi_document_needs_a_token(http: httpx.AsyncClient) -> None:
    refused = await http.get("/openapi.json")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    shown = await http.get("/openapi.json", headers={"authorization": f"Bearer {TOKEN}"})
    assert shown.status_code == 200


async def test_the_page_that_asks_for_the_token_needs_none(http: httpx.AsyncClient) -> None:
    page = await http.get("/docs/swagger")
    assert page.status_code == 200
    assert 'data-authorization="bearer"' in page.text
    assert TOKEN not in page.text


async def test_the_openapi_document_says_that_tokens_are_asked_for(http: httpx.AsyncClient) -> None:
    response = await http.get("/openapi.json", headers={"authorization": f"Bearer {TOKEN}"})
    document = response.json()
    assert document["components"]["securitySchemes"] == {
        "bearer": {"type": "http", "scheme": "bearer"}
    }
    assert document["security"] == [{"bearer": []}]
    for methods in document["paths"].values():
        assert all(operation["security"] == [{"bearer": []}] for operation in methods.values())


@pytest.mark.parametrize("path", ["/openapi.json%0a", "//docs/swagger", "/docs/swagger/", "/no"])
async def test_so_does_whatever_else_there_may_be(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code == 401
    assert (await http.head(path)).status_code == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_probes_and_scrapers_need_none(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code == 200


async def test_native_health_is_open_and_reflection_is_not(service: Server) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        # Both are typed for synchronous channels only.
        any_channel: Any = channel
        health: Any = health_pb2_grpc.HealthStub(any_channel)
        await health.Check(health_pb2.HealthCheckRequest())
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(any_channel)
        code = await reflection.ServerReflectionInfo().code()
        assert code is grpc.StatusCode.UNAUTHENTICATED


async def test_an_rpc_that_there_is_not_is_refused_alike(service: Server) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        rpc: Any = channel.unary_unary("/no.such.Service/Rpc")
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await rpc(b"")
        assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_servicer_sees_who_calls(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Caller | None] = []

    make_response = pb.SayHelloResponse

    def response(message: str) -> pb.SayHelloResponse:
        seen.append(caller())
        return make_response(message=message)

    monkeypatch.setattr(pb, "SayHelloResponse", response)
    await call("SayHello", pb.SayHelloRequest(), authorization=f"Bearer {TOKEN}")
    await call("SayHello", pb.SayHelloRequest(), authorization="Bearer other")
    first, second = seen
    assert first is not None
    assert first != second
    assert TOKEN not in first.name


async def test_tokens_are_never_logged(
    call: Call, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for token in (TOKEN, "wrong-token"):
        await call("SayHello", pb.SayHelloRequest(), authorization=f"Bearer {token}")
        assert token not in caplog.text
        assert token not in str([record.__dict__ for record in caplog.records])
    assert TOKEN not in repr(settings)


@pytest.mark.parametrize("tokens", ["", " , "])
def test_tokens_without_a_token_refuse_the_start(
    monkeypatch: pytest.MonkeyPatch, tokens: str
) -> None:
    monkeypatch.setenv(f"{PREFIX}AUTH_TOKENS", tokens)
    with pytest.raises(SettingsError, match=f"{PREFIX}AUTH_TOKENS"):
        Settings()

"""What stands around an application's own routes: tokens, errors, ids, log lines and metrics."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from framework_under_test import (
    ChildApplication,
    CORSConfig,
    Host,
    WebSocketGateway,
    head,
    post,
    websocket,
)
from lilya.responses import StreamingResponse
from polyrpc.framework.application import UnchangedLogging
from polyrpc.framework.errors import error_handlers
from polyrpc.framework.imports import (
    Application,
    DefineMiddleware,
    Gateway,
    HTTPException,
    ImproperlyConfigured,
    Include,
    JSONResponse,
    NotFound,
    Request,
    Router,
    get,
    register_grpc_http_routes,
)
from polyrpc.framework.own_routes import around_routes
from polyrpc.framework.routing import ProbeGateway
from polyrpc.framework.swagger_ui import PAGE, DocumentAlone, docs_routes
from polyrpc.interceptors.auth import Tokens
from polyrpc.interceptors.metrics import Metrics
from polyrpc.interceptors.standard import StandardInterceptor
from polyrpc.rpc.caller import caller
from pydantic import BaseModel
from serving import EchoService, gateway_of, http_client, http_server

SECRET = "password=hunter2"
METRICS = Metrics()
TOKEN = "the-token"
KNOWN = {"authorization": f"Bearer {TOKEN}"}
RPC = "/grpc/echoservice/unary"
UNEXPECTED = {
    "detail": "Internal Server Error",
    "code": 13,
    "status": "INTERNAL",
    "details": [],
}


class Item(BaseModel):
    name: str
    count: int


@get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@get("/orders/{order:int}")
async def order(request: Request, order: int) -> dict[str, Any]:
    who = caller()
    return {"order": order, "note": request.headers.get("x-note"), "known": who is not None}


@post("/items")
async def add_item(data: Item) -> dict[str, int]:
    return {"count": data.count}


@get("/bug")
async def bug() -> None:
    raise ValueError(SECRET)


@get("/cancelled")
async def cancelled() -> None:
    other = asyncio.create_task(asyncio.sleep(60))
    other.cancel(SECRET)
    await other


@get("/misconfigured")
async def misconfigured() -> None:
    raise ImproperlyConfigured(SECRET)


@get("/taken")
async def taken() -> None:
    raise HTTPException(status_code=409, detail="taken", headers={"x-by": "another"})


@get("/unknown")
async def unknown() -> None:
    raise HTTPException(status_code=401, detail="who are you?")


@get("/missing")
async def missing() -> None:
    raise NotFound(detail="no such order")


@get("/value")
async def value() -> None:
    Item.model_validate({"name": SECRET, "count": SECRET})


@get("/begun")
async def begun() -> Any:
    async def parts() -> AsyncIterator[bytes]:
        yield b"half"
        raise ValueError(SECRET)

    return StreamingResponse(parts())


async def talk(socket: Any) -> None:
    await socket.accept()
    if await socket.receive_text() == "bug":
        raise ValueError(SECRET)
    await socket.close()


talk.__annotations__["return"] = None  # The framework does not read what is text.


HANDLERS = (order, add_item, bug, cancelled, misconfigured, taken, unknown, missing, value)


def application(
    tokens: Tokens | None = None, *, middleware: Any = (), routes: Any = (), **options: Any
) -> Application:
    """An application as a service makes it, with routes of a team's own."""
    app = Application(
        routes=[
            ProbeGateway(handler=healthz),
            *docs_routes("Title", "polyrpc", asks_for_tokens=tokens is not None),
            *(Gateway(handler=handler) for handler in HANDLERS),
            Include(
                "/inside",
                routes=[Gateway(handler=bug), Gateway(handler=order)],
                include_in_schema=False,
            ),
            Include("/child", app=child(), include_in_schema=False),
            WebSocketGateway(handler=websocket("/socket")(talk)),
            *routes,
        ],
        middleware=around_routes(tokens, middleware, METRICS),
        exception_handlers=error_handlers(),
        openapi_config=DocumentAlone(),
        enable_openapi=True,
        logging_config=UnchangedLogging(),
        **options,
    )
    gateway = gateway_of(
        EchoService, http_methods=["POST"], interceptors=[StandardInterceptor(tokens=tokens)]
    )
    register_grpc_http_routes(app, [gateway])
    return app


def child() -> Any:
    handlers = (bug, taken, order)
    return ChildApplication(
        routes=[Gateway(handler=handler) for handler in handlers],
        logging_config=UnchangedLogging(),
    )


def client_of(app: Any, **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, **options), base_url="http://test")


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(application()) as client:
        yield client


@pytest.fixture
async def guarded() -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(application(Tokens(TOKEN))) as client:
        yield client


GUARDED = [
    "/openapi.json",
    "/openapi.json%0a",
    "/openapi.json/",
    "/openapi.json%00",
    "/OpenAPI.json",
    "//openapi.json",
    f"{PAGE}/",
    f"/{PAGE}",
    f"{PAGE}%0a",
    f"{PAGE}/../../openapi.json",
    f"{PAGE}%00",
    "/docs",
    "/docs/",
    "/docs/assets",
    "/docs/assets/1",
    "/docs/assets/1/x/y",
    "/docs/assets/1/x%0a",
    "/docs/assets/1/..%2f..%2f..%2fopenapi.json",
    "/docs/assets/../../openapi.json",
    "/healthz/../openapi.json",
    "/healthz%0a",
    "/orders/1",
    "/orders/1/",
    "/orders/1%0a",
    "/inside/orders/1",
    "/child/orders/1",
    "/child/no",
    "/no",
    "/",
]


@pytest.mark.parametrize("path", GUARDED)
@pytest.mark.parametrize(
    "method",
    [
        "GET",
        "POST",
        *(pytest.param(name, marks=pytest.mark.full) for name in ("HEAD", "OPTIONS", "BREW")),
    ],
)
async def test_a_stranger_gets_nowhere(guarded: httpx.AsyncClient, method: str, path: str) -> None:
    response = await guarded.request(method, path)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"


def placed() -> Iterator[tuple[Any, dict[str, str], str]]:
    """The guarded application in every place, the options of its client, and where it is."""
    yield application(Tokens(TOKEN), root_path="/proxy"), {}, ""
    yield application(Tokens(TOKEN), root_path="/proxy"), {}, "/proxy"
    yield application(Tokens(TOKEN)), {"root_path": "/proxy"}, "/proxy"
    yield Application(routes=[Include("/at", app=application(Tokens(TOKEN)))]), {}, "/at"


@pytest.mark.parametrize("path", ["/openapi.json", "/orders/1", "/no"])
async def test_nor_where_the_application_is_mounted(path: str) -> None:
    for app, options, prefix in placed():
        async with client_of(app, **options) as http:
            assert (await http.get(prefix + path)).status_code == 401
            assert (await http.get(f"{prefix}/healthz")).status_code == 200
            response = await http.get(prefix + path, headers=KNOWN)
            assert response.status_code == (404 if path == "/no" else 200)


async def test_the_documentation_page_is_open_and_says_nothing() -> None:
    """What it shows it fetches, with a token."""
    for app, options, prefix in placed():
        async with client_of(app, **options) as http:
            page = await http.get(prefix + PAGE)
            assert page.status_code == 200
            assert 'data-authorization="bearer"' in page.text
            assert not re.search("orders|items|echo|child", page.text, re.IGNORECASE)
            assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
            assert len(assets) == 3
            for asset in assets:
                served = await http.get(urljoin(f"{prefix}{PAGE}", asset))
                assert served.status_code == 200
            for spelling in ("/docs%2fswagger", "/docs/x/../swagger"):  # They decode to its path.
                assert (await http.get(prefix + spelling)).content == page.content
            for method in ("OPTIONS", "POST", "BREW"):
                assert (await http.request(method, prefix + PAGE)).status_code == 405


async def test_routes_that_come_later_are_guarded_too() -> None:
    @get("/later")
    async def later() -> str:
        return "later"

    app = application(Tokens(TOKEN))
    app.add_route("/", later)
    async with client_of(app) as http:
        assert (await http.get("/later")).status_code == 401
        assert (await http.get("/later", headers=KNOWN)).status_code == 200


async def test_a_known_caller_is_known_to_the_route(guarded: httpx.AsyncClient) -> None:
    assert (await guarded.get("/orders/7", headers=KNOWN)).json()["known"] is True
    wrong = await guarded.get("/orders/7", headers={"authorization": f"Bearer {TOKEN}x"})
    assert wrong.status_code == 401


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_is_open_stays_open(guarded: httpx.AsyncClient, method: str) -> None:
    assert (await guarded.request(method, "/healthz")).status_code == 200


async def test_rpcs_ask_by_themselves(guarded: httpx.AsyncClient) -> None:
    assert (await guarded.post(RPC, json={})).status_code == 401
    assert (await guarded.post(RPC, json={}, headers=KNOWN)).status_code == 200


async def test_preflights_need_no_token_and_browsers_may_read_refusals() -> None:
    origin = "https://example.com"
    app = application(Tokens(TOKEN), cors_config=CORSConfig(allow_origins=[origin]))
    preflight = {"origin": origin, "access-control-request-method": "GET"}
    async with client_of(app) as http:
        assert (await http.options("/orders/1", headers=preflight)).status_code == 200
        refused = await http.get("/orders/1", headers={"origin": origin})
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == origin


async def test_middleware_of_routes_may_answer_what_the_routes_do_not() -> None:
    class Preflights(Passing):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http" and scope["method"] == "OPTIONS":
                await JSONResponse({"preflight": True})(scope, receive, send)
            else:
                await super().__call__(scope, receive, send)

    app = application(
        routes=[
            Gateway("/one", handler=order, middleware=[Preflights], include_in_schema=False),
            Include("/all", routes=[Gateway(handler=order)], middleware=[Preflights]),
        ]
    )
    async with client_of(app) as http:
        for path in ("/one/orders/1", "/all/orders/1", "/all/others"):
            assert (await http.options(path)).json() == {"preflight": True}
            refused = await http.put(path)
            assert refused.status_code == (404 if path == "/all/others" else 405)
            assert refused.headers.get("allow") == (None if path == "/all/others" else "GET, HEAD")


async def call_socket(app: Any, *headers: tuple[bytes, bytes], text: str = "") -> list[Any]:
    events = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": text}]
    sent: list[Any] = []

    async def receive() -> Any:
        return events.pop(0)

    async def send(event: Any) -> None:
        sent.append(event)

    scope = {
        "type": "websocket",
        "path": "/socket",
        "query_string": b"",
        "headers": [(b"host", b"test"), *headers],
        "subprotocols": [],
    }
    await app(scope, receive, send)
    return sent


async def test_a_socket_is_not_accepted_from_a_stranger() -> None:
    app = application(Tokens(TOKEN))
    (refusal,) = await call_socket(app)
    assert refusal["type"] == "websocket.close"  # Unaccepted, that is 403.
    accepted = await call_socket(app, (b"authorization", f"Bearer {TOKEN}".encode()))
    assert [event["type"] for event in accepted] == ["websocket.accept", "websocket.close"]


async def test_a_socket_that_fails_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    *_, closed = await call_socket(application(), text="bug")
    assert closed == {"type": "websocket.close", "code": 1011, "reason": ""}
    assert caplog.text.count("Traceback") == 1


@pytest.mark.parametrize(
    "path", ["/bug", "/inside/bug", "/child/bug", "/misconfigured", "/cancelled"]
)
async def test_an_unexpected_exception_is_for_the_log_alone(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    response = await http.get(path)
    assert (response.status_code, response.json()) == (500, UNEXPECTED)
    assert SECRET not in str(response.headers)
    assert caplog.text.count("Traceback") == 1
    assert caplog.text.count("Unexpected ") == 1


class Broken:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        raise ValueError(SECRET)


async def test_so_is_that_of_middleware(caplog: pytest.LogCaptureFixture) -> None:
    app = application(middleware=[DefineMiddleware(Broken)])
    async with client_of(app) as http:
        response = await http.get("/orders/1")
    assert (response.status_code, response.json()) == (500, UNEXPECTED)
    assert response.headers["x-request-id"]
    assert caplog.text.count("Traceback") == 1


async def test_a_response_that_has_begun_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    app = application(routes=[Gateway(handler=begun)])
    async with (
        http_server(app) as port,
        http_client(port) as http,
    ):
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get("/begun")
    assert caplog.text.count("Unexpected ") == 1
    (line,) = lines(caplog)
    assert (line.fields["status"], line.fields["code"]) == (200, "INTERNAL")


@pytest.mark.parametrize(
    "inside", [Router, partial(ChildApplication, logging_config=UnchangedLogging())]
)
async def test_a_host_of_its_own_is_no_way_round(
    caplog: pytest.LogCaptureFixture, inside: Any
) -> None:
    host = Host("other", app=inside(routes=[Gateway("/only", handler=bug)]))
    async with client_of(application(Tokens(TOKEN), routes=[host])) as http:
        assert (await http.get("/only/bug", headers={"host": "other"})).status_code == 401
        response = await http.get("/only/bug", headers={**KNOWN, "host": "other"})
        assert (response.status_code, response.json()) == (500, UNEXPECTED)
        assert caplog.text.count("Traceback") == 1
        response = await http.get("/only/bug", headers={**KNOWN, "host": b"\xff"})
        assert response.status_code == 400


async def test_handlers_of_a_teams_own_go_first(caplog: pytest.LogCaptureFixture) -> None:
    async def sold_out(*_: Any) -> Any:
        return JSONResponse({"sold": "out"}, status_code=410)

    app = application()
    app.exception_handlers |= {ValueError: sold_out, 404: sold_out}
    async with client_of(app) as http:
        for path in ("/bug", "/no"):
            response = await http.get(path)
            assert (response.status_code, response.json()) == (410, {"sold": "out"})
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("path", "status", "code", "name", "detail"),
    [
        ("/taken", 409, 10, "ABORTED", "taken"),
        ("/child/taken", 409, 10, "ABORTED", "taken"),
        ("/unknown", 401, 16, "UNAUTHENTICATED", "who are you?"),
        ("/missing", 404, 5, "NOT_FOUND", "no such order"),
        ("/no", 404, 5, "NOT_FOUND", "Not Found"),
        ("/inside/no", 404, 5, "NOT_FOUND", "Not Found"),
        ("/child/no", 404, 5, "NOT_FOUND", "Not Found"),
        ("/docs/assets/0/x.css", 404, 5, "NOT_FOUND", "The resource cannot be found."),
        ("/orders/x", 404, 5, "NOT_FOUND", "Not Found"),
    ],
)
async def test_the_frameworks_exceptions_have_the_error_body(
    http: httpx.AsyncClient, path: str, status: int, code: int, name: str, detail: str
) -> None:
    response = await http.get(path)
    body = {"detail": detail, "code": code, "status": name, "details": []}
    assert (response.status_code, response.json()) == (status, body)
    assert response.headers.get("x-by") == ("another" if status == 409 else None)
    assert response.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)


async def test_what_is_invalid_is_named_and_not_repeated(http: httpx.AsyncClient) -> None:
    for status, field, response in (
        (400, "data.count", await http.post("/items", json={"name": SECRET, "count": SECRET})),
        (422, "count", await http.get("/value")),
    ):
        body = response.json()
        assert (response.status_code, body["code"]) == (status, 3)
        assert body["detail"].startswith(f"{field}: Input should be a valid integer")
        (bad_request,) = body["details"]
        assert bad_request["@type"] == "type.googleapis.com/google.rpc.BadRequest"
        (violation,) = bad_request["fieldViolations"]
        assert violation["field"] == field
        assert SECRET not in response.text


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[1]", b"", b"a=1"])
async def test_a_body_that_is_no_item_is_the_callers_fault(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    response = await http.post("/items", content=body)
    assert (response.status_code, response.json()["code"]) == (400, 3)
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "path", ["/orders/1", "/openapi.json", "/docs/assets/1/x", "/child/orders/1"]
)
@pytest.mark.parametrize("name", [b"x-note", b"cookie", b"host"])
async def test_bytes_that_are_no_text_are_the_callers_fault(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, path: str, name: bytes
) -> None:
    response = await http.get(path, headers=[(name, b"\xff")])
    assert (response.status_code, response.json()["code"]) == (400, 3)
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "path", ["/healthz", "/openapi.json", PAGE, "/orders/1", "/inside/orders/1", "/child/orders/1"]
)
async def test_head_is_answered_where_get_is(http: httpx.AsyncClient, path: str) -> None:
    got, headed = await http.get(path), await http.head(path)
    assert (headed.status_code, headed.content) == (200, b"")
    assert headed.headers["content-length"] == got.headers["content-length"]
    for response in (got, headed):
        assert response.headers.get("allow", "GET, HEAD") == "GET, HEAD"


async def test_a_handler_of_head_is_called() -> None:
    @head("/own")
    async def own() -> None:
        raise HTTPException(status_code=410)

    async with client_of(application(routes=[Gateway(handler=own)])) as http:
        assert (await http.head("/own")).status_code == 410


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/healthz", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
        (PAGE, "GET, HEAD"),
        ("/items", "POST"),
        ("/inside/orders/1", "GET, HEAD"),
        ("/child/orders/1", "GET, HEAD"),
        (RPC, "POST"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "BREW"])
async def test_other_methods_are_405_with_those_that_are_allowed(
    http: httpx.AsyncClient, method: str, path: str, allow: str
) -> None:
    response = await http.request(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, allow)
    assert response.json()["status"] == "UNIMPLEMENTED"


@pytest.mark.parametrize(
    "path", ["/healthz/", "/orders/1/", f"{PAGE}/", "/inside/orders/1/", "/child/orders/1/"]
)
async def test_nobody_is_sent_elsewhere(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path, headers={"host": "evil.example"})
    assert (response.status_code, response.json()["code"]) == (404, 5)


@pytest.mark.parametrize("path", ["/openapi.json", PAGE, "/docs/assets/1/x", "/orders/1", "/no"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_body_that_nobody_takes_is_not_read(method: str, path: str) -> None:
    async def receive() -> Any:
        raise AssertionError("the body is read")

    statuses: list[int] = []

    async def send(event: Any) -> None:
        statuses.extend([event["status"]] if "status" in event else [])

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"test"), (b"content-length", b"150000000")],
    }
    await application()(scope, receive, send)
    assert statuses[0] in (200, 404)


def lines(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [record for record in caplog.records if record.msg in ("request", "call")]


async def test_a_request_has_one_line_with_the_pattern_of_its_route(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    response = await http.get("/orders/7?x=secret", headers={"x-request-id": "mine"})
    assert response.headers.get_list("x-request-id") == ["mine"]
    (line,) = lines(caplog)
    assert line.msg == "request"
    assert line.fields.pop("duration_ms") > 0
    assert line.fields == {
        "protocol": "http",
        "method": "GET",
        "path": "/orders/{order}",
        "status": 200,
        "code": "OK",
        "peer": "ipv4:127.0.0.1:123",
        "request_id": "mine",
    }


@pytest.mark.parametrize(
    ("path", "pattern", "level"),
    [
        ("/inside/orders/1", "/inside/orders/{order}", "INFO"),
        ("/child/orders/1", "/child/orders/{order}", "INFO"),
        ("/taken", "/taken", "INFO"),
        ("/bug", "/bug", "ERROR"),
        ("/no/secret", "unknown", "INFO"),
        ("/healthz", "/healthz", "DEBUG"),
        (PAGE, PAGE, "INFO"),
    ],
)
async def test_lines_of_routes_of_every_kind(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, path: str, pattern: str, level: str
) -> None:
    caplog.set_level(logging.DEBUG)
    response = await http.get(path)
    (line,) = lines(caplog)
    assert (line.fields["path"], line.levelname) == (pattern, level)
    assert line.fields["request_id"] == response.headers["x-request-id"]
    assert line.fields["status"] == response.status_code


async def test_an_rpc_has_its_own_line_alone(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    # With middleware of the team's, it comes by as well.
    async with client_of(application(middleware=[DefineMiddleware(Passing)])) as longer:
        for client in (http, longer):
            caplog.clear()
            response = await client.post(RPC, json={})
            (line,) = lines(caplog)
            assert line.msg == "call"
            ids = response.headers.get_list("x-request-id")
            assert ids == [line.fields["request_id"]]


class Passing:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


async def test_a_caller_that_goes_away_is_logged_as_that(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    @post("/upload")
    async def upload(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(event: Any) -> None:
        """Nobody is there."""

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/upload",
        "query_string": b"",
        "headers": [(b"host", b"test")],
    }
    await application(routes=[Gateway(handler=upload)])(scope, receive, send)
    (line,) = lines(caplog)
    assert (line.fields["status"], line.fields["code"]) == (499, "CANCELLED")
    assert "Traceback" not in caplog.text


async def test_a_request_that_is_cancelled_is_logged_as_that(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    reached = asyncio.Event()

    @get("/wait")
    async def wait() -> None:
        reached.set()
        await asyncio.Event().wait()

    async with client_of(application(routes=[Gateway(handler=wait)])) as http:
        call = asyncio.create_task(http.get("/wait"))
        await reached.wait()
        call.cancel()
        await asyncio.wait([call])
    (line,) = lines(caplog)
    assert (line.fields["status"], line.fields["code"]) == (499, "CANCELLED")


async def test_requests_are_counted_by_method_route_and_status(http: httpx.AsyncClient) -> None:
    before = counted("GET", "/orders/{order}", 200)
    for number in range(3):
        await http.get(f"/orders/{number}")
    assert counted("GET", "/orders/{order}", 200) == before + 3
    await http.request("BREW", "/made/up")
    assert counted("_OTHER", "unknown", 404) >= 1


def counted(method: str, route: str, status: int) -> float:
    labels = (
        f'http_request_method="{method}",http_response_status_code="{status}",http_route="{route}"'
    )
    for line in METRICS.exposition()[0].decode().splitlines():
        if line.startswith("http_server_request_duration_seconds_count{"):
            name, number = line.rsplit(" ", 1)
            if sorted(name.partition("{")[2].rstrip("}").split(",")) == sorted(labels.split(",")):
                return float(number)
    return 0.0

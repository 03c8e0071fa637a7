"""The team's own routes, WebSockets and middleware of a service, on real sockets."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from framework_under_test import MULTIPART, Form, WebSocketGateway, post, websocket
from greeter.app import create_app, serve
from greeter.settings import Settings
from greeter_service.v1 import greeter_pb2 as pb
from log_lines import Lines, logging_to_memory
from polyrpc import Health, testing
from polyrpc.framework.imports import (
    DefineMiddleware,
    Gateway,
    HTTPException,
    Include,
    JSONResponse,
    Path,
    Request,
    WebSocketException,
    WebSocketPath,
    get,
)
from polyrpc.process.server import Server
from polyrpc.testing import Certificates
from pydantic import BaseModel
from serving import http_server
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

TOKEN = "the-token"
KNOWN = {"authorization": f"Bearer {TOKEN}"}
RPC = "/grpc/greeterservice/sayhello"
SECRET = "password=hunter2"


class Item(BaseModel):
    name: str
    count: int


@dataclass
class Resources:
    """What the lifespan yields: a pool that may be open, and what has happened."""

    events: list[str]
    entered: asyncio.Event
    release: asyncio.Event

    def use(self, what: str) -> None:
        assert "closed" not in self.events
        self.events.append(what)


@get("/resources")
async def resources_of(request: Request) -> dict[str, str]:
    request.app.state.resources.use("request")
    return {"found": type(request.app.state.resources).__name__}


@get("/orders/{order:int}")
async def order(order: int) -> dict[str, int]:
    return {"order": order}


@post("/items")
async def add_item(data: Item) -> dict[str, int]:
    return {"count": data.count}


FORM = Form(media_type=MULTIPART)


@post("/upload")
async def upload(data: dict[str, Any] = FORM) -> dict[str, Any]:
    content = await data["file"].read()
    await data["file"].close()
    return {"name": data["name"], "file": data["file"].filename, "bytes": len(content)}


@get("/slow")
async def slow(request: Request) -> dict[str, str]:
    resources = request.app.state.resources
    resources.entered.set()
    await resources.release.wait()
    resources.use("slow")
    return {"slow": "done"}


@get("/bug")
async def bug() -> None:
    raise ValueError(SECRET)


@get("/taken")
async def taken() -> None:
    raise HTTPException(status_code=409, detail="taken")


async def talk(socket: Any) -> None:
    """Echoes, and does what some texts say."""
    resources = socket.app.state.resources
    if "x-refuse" in socket.headers:
        raise HTTPException(status_code=409, detail="taken")
    if "x-bug" in socket.headers:
        raise ValueError(SECRET)
    await socket.accept()
    try:
        async for text in socket.iter_text():
            if text == "bug":
                raise ValueError(SECRET)
            if text == "policy":
                raise WebSocketException(code=1008, reason="not that")
            if text == "http":
                raise HTTPException(status_code=409, detail="taken")
            await socket.send_text(f"{text}!")
    finally:
        await asyncio.sleep(0.05)
        resources.use("socket ended")


async def push(socket: Any) -> None:
    await socket.accept()
    socket.app.state.resources.entered.set()
    try:
        while True:
            await socket.send_bytes(bytes(1000))
            await asyncio.sleep(0)
    finally:
        socket.app.state.resources.use("push ended")


async def plain(socket: Any) -> None:
    await talk(socket)


for handler in (talk, push, plain):
    handler.__annotations__["return"] = None  # The framework does not read what is text.

HANDLERS = (resources_of, order, add_item, upload, slow, bug, taken)
ROUTES = [
    *(Gateway(handler=handler) for handler in HANDLERS),
    WebSocketGateway(handler=websocket("/socket/{room}")(talk)),
    WebSocketGateway(handler=websocket("/push")(push)),
    Include("/inside", routes=[WebSocketGateway(handler=websocket("/socket/{room}")(talk))]),
    WebSocketPath("/plain/{room}", handler=plain),
]


@pytest.fixture
def resources() -> Resources:
    return Resources([], asyncio.Event(), asyncio.Event())


@pytest.fixture
def service_arguments(resources: Resources) -> dict[str, Any]:
    @asynccontextmanager
    async def lifespan(_settings: Settings, _health: Health) -> AsyncIterator[Resources]:
        yield resources
        resources.events.append("closed")

    return {"routes": ROUTES, "lifespan": lifespan}


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """Reads the lines that the service has logged of requests."""
    with logging_to_memory(monkeypatch) as lines:
        yield lines


def connection(service: Server, path: str = "/socket/one", **options: Any) -> connect:
    return connect(f"ws://127.0.0.1:{service.http_port}{path}", proxy=None, **options)


async def closed(socket: ClientConnection) -> tuple[int | None, str | None]:
    async with asyncio.timeout(10):
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        await socket.wait_closed()
    return socket.close_code, socket.close_reason


async def refused(service: Server, path: str = "/socket/one", **options: Any) -> Any:
    with pytest.raises(InvalidStatus) as refusal:
        await connection(service, path, **options)
    return refusal.value.response


async def _all(socket: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        while True:
            await socket.recv()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)


def error(code: int, status: str, detail: str) -> dict[str, Any]:
    return {"detail": detail, "code": code, "status": status, "details": []}


UNEXPECTED = error(13, "INTERNAL", "Internal Server Error")


async def test_bodies_parameters_forms_and_resources(http: httpx.AsyncClient) -> None:
    assert (await http.get("/resources")).json() == {"found": "Resources"}
    assert (await http.get("/orders/7")).json() == {"order": 7}
    item = await http.post("/items", json={"name": "a", "count": 3})
    assert (item.status_code, item.json()) == (201, {"count": 3})
    large = bytes(6_000_000)  # More than a message may have: uploads are the route's to limit.
    form = await http.post("/upload", data={"name": "b"}, files={"file": ("c.bin", large)})
    assert form.json() == {"name": "b", "file": "c.bin", "bytes": len(large)}
    assert form.headers["x-request-id"]


async def test_a_form_may_arrive_with_a_cut_through_a_delimiter(service: Server) -> None:
    body = (
        b'--B\r\nContent-Disposition: form-data; name="name"\r\n\r\nb\r\n'
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="c"\r\n\r\nd\r\n--B--\r\n'
    )
    head = (
        b"POST /upload HTTP/1.1\r\nhost: a\r\nconnection: close\r\nexpect: 100-continue\r\n"
        b"content-type: multipart/form-data; boundary=B\r\ncontent-length: %d\r\n\r\n" % len(body)
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", service.http_port)
    cut = body.index(b"\r\n--B\r\n") + 4
    writer.write(head)
    # The form is being read when it answers so.
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body[:cut])
    await asyncio.sleep(0.05)  # Less may join the pieces, and show nothing.
    writer.write(body[cut:])
    answer = await reader.read()
    writer.close()
    assert answer.endswith(b'{"name":"b","file":"c","bytes":1}'), answer


async def test_faults_have_the_error_body(http: httpx.AsyncClient) -> None:
    missing = await http.get("/nowhere")
    assert (missing.status_code, missing.json()) == (404, error(5, "NOT_FOUND", "Not Found"))
    method = await http.put("/orders/7")
    assert (method.status_code, method.json()["code"]) == (405, 12)
    assert method.headers["allow"] == "GET, HEAD"
    invalid = await http.post("/items", json={"name": "a", "count": SECRET})
    assert (invalid.status_code, invalid.json()["code"]) == (400, 3)
    assert invalid.json()["details"][0]["fieldViolations"][0]["field"].endswith("count")
    conflict = await http.get("/taken")
    assert (conflict.status_code, conflict.json()) == (409, error(10, "ABORTED", "taken"))
    broken = await http.get("/bug")
    assert (broken.status_code, broken.json()) == (500, UNEXPECTED)
    for response in (missing, method, invalid, conflict, broken):
        assert response.headers["x-request-id"]
        assert SECRET not in response.text


async def test_what_the_framework_reads_into_memory_is_bounded(
    service_arguments: dict[str, Any],
) -> None:
    async def chunks(size: int) -> AsyncIterator[bytes]:
        yield b'{"name": "'
        for _ in range(size // 1000):
            yield b"a" * 1000
        yield b'", "count": 3}'

    settings = Settings(http_port=0, grpc_port=0, max_message_bytes=10_000)
    async with serve(settings, **service_arguments) as service:
        base = f"http://127.0.0.1:{service.http_port}"
        json_type = {"content-type": "application/json"}
        detail = "the body is larger than 10000 bytes"
        async with httpx.AsyncClient(base_url=base, headers=json_type) as http:
            for size, status in ((9_000, 201), (10_000, 413), (1_000_000, 413)):
                whole = b"".join([part async for part in chunks(size)])
                for content in (whole, chunks(size)):
                    response = await http.post("/items", content=content)
                    assert response.status_code == status
                    if status == 413:
                        assert response.json() == error(8, "RESOURCE_EXHAUSTED", detail)


async def test_requests_are_logged_and_counted(lines: Lines, http: httpx.AsyncClient) -> None:
    await http.get("/orders/7", headers={"x-request-id": "my-id"})
    await http.get("/bug")
    (logged,) = (line for line in lines() if line.get("request_id") == "my-id")
    assert (
        logged.items()
        >= {
            "event": "request",
            "protocol": "http",
            "method": "GET",
            "path": "/orders/{order}",
            "status": 200,
            "code": "OK",
        }.items()
    )
    assert logged["duration_ms"] > 0
    assert logged["peer"].startswith("ipv4:127.0.0.1:")
    (fault,) = (line for line in lines() if line.get("path") == "/bug")
    assert (fault["level"], fault["status"], fault["code"]) == ("error", 500, "INTERNAL")
    assert any(SECRET in json.dumps(line) and "exception" in line for line in lines())
    metrics = (await http.get("/metrics")).text
    for route, status in (("/orders/{order}", 200), ("/bug", 500)):
        labels = f'http_response_status_code="{status}",http_route="{route}"'
        assert f'_count{{http_request_method="GET",{labels}}} 1.0' in metrics


@pytest.fixture
def known_settings() -> Settings:
    return Settings(http_port=0, grpc_port=0, auth_tokens=TOKEN)


async def test_strangers_get_nowhere(
    known_settings: Settings, service_arguments: dict[str, Any]
) -> None:
    async with serve(known_settings, **service_arguments) as service:
        base = f"http://127.0.0.1:{service.http_port}"
        async with httpx.AsyncClient(base_url=base) as http:
            for path in ("/orders/1", "/nowhere", "/slow"):
                assert (await http.get(path)).status_code == 401
            assert (await http.get("/orders/1", headers=KNOWN)).status_code == 200
        response = await refused(service)
        assert response.status_code == 403
        assert json.loads(response.body)["code"] == 7
        assert response.headers["x-request-id"]
        async with connection(service, additional_headers=KNOWN) as socket:
            await socket.send("hello")
            assert await socket.recv() == "hello!"


async def test_a_slow_request_is_finished_before_resources_close(
    settings: Settings, service_arguments: dict[str, Any], resources: Resources
) -> None:
    service = serve(settings, **service_arguments)
    await service.start()
    base = f"http://127.0.0.1:{service.http_port}"
    async with httpx.AsyncClient(base_url=base) as http, asyncio.TaskGroup() as tasks:
        answer = tasks.create_task(http.get("/slow"))
        await resources.entered.wait()
        stopping = tasks.create_task(service.stop())
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", service.http_port)
                    writer.close()
                except ConnectionError:
                    break
        assert not stopping.done()
        resources.release.set()
    assert answer.result().json() == {"slow": "done"}
    assert resources.events == ["slow", "closed"]


@pytest.mark.parametrize(
    ("headers", "allowed", "opens"),
    [
        ({"origin": "https://else.where"}, None, False),
        ({"origin": "https://else.where"}, "https://page.example", False),
        ({"origin": "https://page.example"}, "https://page.example", True),
        ({"origin": "https://page.example", "sec-fetch-site": "cross-site"}, "*", True),
        ({"origin": "https://{host}", "sec-fetch-site": "cross-site"}, None, False),
        ({"origin": "http://{host}"}, None, True),
        # A proxy has changed the Host.
        ({"origin": "https://page.example", "sec-fetch-site": "same-origin"}, None, True),
        ({"origin": "null"}, None, False),
        ({}, None, True),
    ],
)
async def test_a_page_of_another_site_opens_no_socket(
    service_arguments: dict[str, Any], headers: dict[str, str], allowed: str | None, opens: bool
) -> None:
    settings = Settings(http_port=0, grpc_port=0, cors_allow_origins=allowed)
    async with serve(settings, **service_arguments) as service:
        host = f"127.0.0.1:{service.http_port}"
        headers = {name: value.format(host=host) for name, value in headers.items()}
        if opens:
            async with connection(service, additional_headers=headers) as socket:
                await socket.send("hello")
                assert await socket.recv() == "hello!"
        else:
            response = await refused(service, additional_headers=headers)
            assert response.status_code == 403


async def test_a_socket_is_a_request_too(lines: Lines, service: Server) -> None:
    headers = {"x-request-id": "my-id"}
    async with connection(service, additional_headers=headers) as socket:
        assert socket.response is not None
        assert socket.response.headers["x-request-id"] == "my-id"
        await socket.send("hello")
        assert await socket.recv() == "hello!"

    def logged() -> list[dict[str, Any]]:
        return [one for one in lines() if one.get("request_id") == "my-id"]

    await until(logged)
    (line,) = logged()
    expected = {"event": "request", "protocol": "http", "method": "GET", "status": 101}
    assert line.items() >= {**expected, "code": "OK", "path": "/socket/{room}"}.items()
    assert line["duration_ms"] >= 50
    url = f"http://127.0.0.1:{service.http_port}/metrics"
    async with httpx.AsyncClient() as http:
        assert 'http_response_status_code="101"' in (await http.get(url)).text


async def test_sockets_have_the_limit_of_messages(service_arguments: dict[str, Any]) -> None:
    settings = Settings(http_port=0, grpc_port=0, max_message_bytes=1000)
    async with serve(settings, **service_arguments) as service, connection(service) as socket:
        await socket.send("x" * 1000)
        assert await socket.recv() == "x" * 1000 + "!"
        await socket.send("x" * 1001)
        assert (await closed(socket))[0] == 1009


SOCKETS = ("/socket/one", "/inside/socket/one", "/plain/one")
FAULTS = {"bug": (1011, ""), "policy": (1008, "not that"), "http": (4409, "taken")}


def tracebacks_in(lines: Lines) -> list[dict[str, Any]]:
    """Those of calls: what others have left behind may be collected as garbage meanwhile."""
    uncaught = "exception that nobody catches"
    return [line for line in lines() if "exception" in line and line["event"] != uncaught]


@pytest.mark.parametrize("path", SOCKETS)
@pytest.mark.parametrize("text", FAULTS)
async def test_a_fault_closes_a_socket(lines: Lines, service: Server, path: str, text: str) -> None:
    async with connection(service, path) as socket:
        await socket.send(text)
        assert await closed(socket) == FAULTS[text]
    tracebacks = tracebacks_in(lines)
    assert len(tracebacks) == (text == "bug")


@pytest.mark.parametrize("path", SOCKETS)
async def test_a_fault_before_it_is_accepted_is_answered(
    lines: Lines, service: Server, path: str
) -> None:
    response = await refused(service, path, additional_headers={"x-refuse": "1"})
    assert response.status_code == 409
    assert json.loads(response.body) == error(10, "ABORTED", "taken")
    assert response.headers["x-request-id"]
    response = await refused(service, path, additional_headers={"x-bug": "1"})
    assert (response.status_code, json.loads(response.body)) == (500, UNEXPECTED)
    assert len(tracebacks_in(lines)) == 1


async def test_paths_without_a_socket_have_none(service: Server) -> None:
    for path, status in (("/orders/7", 200), ("/nowhere", 404), (RPC, 405)):
        assert (await refused(service, path)).status_code == status


@pytest.mark.parametrize("path", ["/socket/one", "/push"])
async def test_a_client_that_goes_ends_its_handler(
    service: Server, resources: Resources, path: str, lines: Lines
) -> None:
    socket = await connection(service, path)
    if path == "/push":
        await resources.entered.wait()
    socket.transport.abort()
    await until(lambda: resources.events)
    assert not tracebacks_in(lines)


@pytest.mark.parametrize("path", ["/socket/one", "/push"])
async def test_a_stop_closes_sockets_after_the_drain_and_resources_after_them(
    service_arguments: dict[str, Any], resources: Resources, path: str
) -> None:
    settings = Settings(http_port=0, grpc_port=0, drain_seconds=0.2)
    service = serve(settings, **service_arguments)
    await service.start()
    async with connection(service, path) as socket:
        draining = asyncio.create_task(service.drain())
        await until(lambda: not service.service.health.serving)
        if path == "/push":
            assert await socket.recv() == bytes(1000)
        else:
            await socket.send("still")
            assert await socket.recv() == "still!"
        await draining
        stopping = asyncio.create_task(service.stop())
        async with asyncio.timeout(10):
            await asyncio.gather(_all(socket), stopping)
        assert socket.close_code == 1001
    assert resources.events == ["push ended" if path == "/push" else "socket ended", "closed"]


class Noting:
    """Middleware of a team's."""

    seen: list[tuple[str, str]]

    def __init__(self, app: Any, seen: list[tuple[str, str]]) -> None:
        self.app = app
        self.seen = seen

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append((scope["type"], scope["path"]))
        await self.app(scope, receive, send)


async def test_middleware_sees_requests_sockets_and_rpcs(
    settings: Settings, service_arguments: dict[str, Any]
) -> None:
    seen: list[tuple[str, str]] = []
    middleware = [DefineMiddleware(Noting, seen=seen)]
    async with serve(settings, **service_arguments, middleware=middleware) as service:
        base = f"http://127.0.0.1:{service.http_port}"
        async with httpx.AsyncClient(base_url=base) as http:
            await http.get("/orders/7")
            assert (await http.post(RPC, json={"name": "a"})).status_code == 200
        async with connection(service):
            pass
    assert seen == [("http", "/orders/7"), ("http", RPC), ("websocket", "/socket/one")]


async def test_without_middleware_rpcs_keep_their_short_way(
    settings: Settings, service_arguments: dict[str, Any]
) -> None:
    app = create_app(settings, **service_arguments)
    stack = app.middleware_stack

    async def forbidden(*_: Any) -> None:
        raise AssertionError("an RPC took the long way")

    async with Server(app) as service, testing.client(service, "http") as call:
        await call("SayHello", pb.SayHelloRequest(name="a"))
        app.router.app, kept = forbidden, app.router.app
        outcome = await call("SayHello", pb.SayHelloRequest(name="a"))
        app.router.app = kept
    assert outcome.status == "OK"
    assert app.middleware_stack is stack


async def test_sockets_over_tls(
    certificates: Certificates, service_arguments: dict[str, Any]
) -> None:
    settings = Settings(
        http_port=0,
        grpc_port=0,
        tls_cert_file=certificates.server,
        tls_key_file=certificates.server_key,
    )
    async with serve(settings, **service_arguments) as service:
        trusting = ssl.create_default_context(cafile=certificates.ca)
        url = f"wss://localhost:{service.http_port}/socket/one"
        async with connect(url, ssl=trusting, proxy=None) as socket:
            await socket.send("hello")
            assert await socket.recv() == "hello!"


async def test_the_same_under_uvicorn(
    settings: Settings, service_arguments: dict[str, Any], resources: Resources
) -> None:
    app = create_app(settings, **service_arguments)
    service = app.state.service
    await service.start()
    async with http_server(app, ws="auto") as port:
        base = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=base) as http:
            assert (await http.get("/resources")).json() == {"found": "Resources"}
            assert (await http.get("/bug")).json() == UNEXPECTED
            assert (await http.get("/nowhere")).status_code == 404
        async with connect(f"ws://127.0.0.1:{port}/socket/one", proxy=None) as socket:
            assert socket.response is not None
            assert socket.response.headers["x-request-id"]
            await socket.send("hello")
            assert await socket.recv() == "hello!"
        await until(lambda: resources.events[-1] == "socket ended")
        with pytest.raises(InvalidStatus) as refusal:
            await connect(f"ws://127.0.0.1:{port}/nowhere", proxy=None)
        assert refusal.value.response.status_code == 404
    await service.stop()
    await service.close()


async def test_open_routes_need_no_token_and_nothing_beside_them_is_open(
    resources: Resources, service_arguments: dict[str, Any]
) -> None:
    class Hook:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            request = Request(scope, receive, send)
            body, known = await request.body(), request.app.state.resources is resources
            await JSONResponse({"bytes": len(body), "known": known})(scope, receive, send)

    @post("/items")
    async def items(data: Item) -> dict[str, int]:
        return {"count": data.count}

    settings = Settings(http_port=0, grpc_port=0, auth_tokens=TOKEN, max_message_bytes=1000)
    open_routes = [Path("/hooks/{source}", Hook(), methods=["POST"]), Gateway(handler=items)]
    arguments = {**service_arguments, "routes": [Gateway(handler=order)]}
    async with (
        serve(settings, open_routes=open_routes, **arguments) as service,
        testing.http_client(service) as http,
    ):
        for body in (b"12345", b"{", b"[[]]", b'{"request": 1, "source": 1}', b""):
            answer = await http.post("/hooks/payments", content=body)
            assert answer.json() == {"bytes": len(body), "known": True}
            assert answer.headers["x-request-id"]
        answer = await http.post("/items", json={"name": "a", "count": 2})
        assert answer.json() == {"count": 2}
        for kind in ("application/json", f"{MULTIPART}; boundary=x"):
            headers = {"content-type": kind}
            refused = await http.post("/hooks/payments", content=b"x" * 1001, headers=headers)
            assert refused.status_code == 413
        assert (await http.get("/hooks/payments")).status_code == 405
        for path in ("/hooks", "/hooks/", "/hooks/a/b", "/hooks/a%0a", "/orders/1", "/no"):
            assert (await http.post(path)).status_code == 401
            assert (await http.get(path)).status_code == 401


def test_only_a_single_route_can_be_open() -> None:
    settings = Settings(http_port=0, grpc_port=0)
    inside = Include("/all", routes=[Gateway(handler=order)])
    with pytest.raises(TypeError, match="open_routes: Include is none"):
        create_app(settings, open_routes=[inside])

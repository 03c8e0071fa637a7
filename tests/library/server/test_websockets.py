"""WebSockets on the HTTP server: handshakes, messages, limits and ends."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import trustme
from applications import echo
from polyrpc.server import websocket
from polyrpc.server.http_server import HttpServer
from polyrpc.server.sockets import listen
from polyrpc.settings import ServiceSettings
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from wire import connected, request, until

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = (
    "upgrade: websocket",
    "connection: keep-alive, Upgrade",
    f"sec-websocket-key: {KEY}",
    "sec-websocket-version: 13",
)
Receive = Callable[[], Any]
Send = Callable[[Any], Any]


class Sockets:
    """Echoes what a WebSocket says, or does what its path says.

    Attributes:
        scopes: Those of the WebSockets.
        ends: The disconnect events.
    """

    def __init__(self) -> None:
        self.scopes: list[Any] = []
        self.ends: asyncio.Queue[Any] = asyncio.Queue()
        self.release = asyncio.Event()
        self.sent = 0

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await echo(scope, receive, send)
            return
        self.scopes.append(scope)
        assert (await receive()) == {"type": "websocket.connect"}
        path = scope["path"]
        if path == "/refuse":
            await send({"type": "websocket.close", "code": 1008})
            return
        if path == "/deny":
            start = {"type": "websocket.http.response.start", "status": 410, "headers": []}
            await send(start)
            await send({"type": "websocket.http.response.body", "body": b"gone"})
            return
        if path == "/raise":
            raise ValueError("secret")
        if path == "/unanswered":
            self.ends.put_nowait(await receive())
            return
        chosen = next(iter(scope["subprotocols"]), None)
        await send(
            {"type": "websocket.accept", "subprotocol": chosen, "headers": [(b"x-one", b"1")]}
        )
        await getattr(self, path[1:].partition("/")[0])(receive, send)

    async def echo(self, receive: Receive, send: Send) -> None:
        while (event := await receive())["type"] == "websocket.receive":
            with suppress(websocket.ClientDisconnected):  # `receive` tells of it, too.
                await send({**event, "type": "websocket.send"})
        self.ends.put_nowait(event)
        assert await receive() == event

    async def late(self, receive: Receive, send: Send) -> None:
        await self.release.wait()
        await self.echo(receive, send)

    async def bye(self, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.close", "code": 4001, "reason": "é" * 200})

    async def returns(self, receive: Receive, send: Send) -> None:
        await receive()

    async def fails(self, receive: Receive, send: Send) -> None:
        await receive()
        raise ValueError("secret")

    async def flood(self, receive: Receive, send: Send) -> None:
        try:
            while True:
                await send({"type": "websocket.send", "bytes": bytes(65_536)})
                self.sent += 1
        except OSError as error:
            self.ends.put_nowait(error)


@asynccontextmanager
async def serving(app: Any, **settings: Any) -> AsyncIterator[tuple[HttpServer, int]]:
    context = settings.pop("context", None)
    server = HttpServer(
        app, ServiceSettings(**settings), context, lambda scope: scope["path"] != "/rpc"
    )
    listener = listen("127.0.0.1", 0, "HTTP")
    port = listener.getsockname()[1]
    await server.start(listener)
    try:
        yield server, port
    finally:
        await server.stop(0)


@pytest.fixture
def app() -> Sockets:
    return Sockets()


@pytest.fixture
async def port(app: Sockets) -> AsyncIterator[int]:
    async with serving(app, max_message_bytes=100_000) as (_, port):
        yield port


def client(port: int, path: str, **options: Any) -> connect:
    return connect(f"ws://127.0.0.1:{port}{path}", proxy=None, compression=None, **options)


async def closed(socket: ClientConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed):
        await socket.recv()
    await socket.wait_closed()
    return socket.close_code or 0, socket.close_reason or ""


async def test_messages_go_to_and_fro(app: Sockets, port: int) -> None:
    async with client(port, "/echo/a%20b?c=d", subprotocols=["one", "two"]) as socket:
        assert socket.subprotocol == "one"
        assert socket.response is not None
        assert socket.response.headers["x-one"] == "1"
        assert socket.response.headers["date"]
        for message in ("text", "", "é" * 1000, b"bytes", b"", bytes(100_000)):
            await socket.send(message)
            assert await socket.recv() == message
        await socket.send(["a", "b", "", "c"])
        assert await socket.recv() == "abc"
        await socket.close(4000, "done")
    assert await app.ends.get() == {
        "type": "websocket.disconnect",
        "code": 4000,
        "reason": "done",
    }
    (scope,) = app.scopes
    assert scope["path"] == "/echo/a b"
    assert (scope["raw_path"], scope["query_string"]) == (b"/echo/a%20b", b"c=d")
    assert (scope["scheme"], scope["subprotocols"]) == ("ws", ["one", "two"])
    assert scope["state"] == {}
    assert "method" not in scope


async def test_what_comes_right_after_the_handshake_is_read(port: int) -> None:
    async with connected(port) as wire:
        frame = bytes([0x81, 0x82, 0, 0, 0, 0]) + b"hi"
        wire.send(request("/first") + request("/echo", b"", *HANDSHAKE, method="GET") + frame)
        assert (await wire.answer()).told["path"] == "/first"
        head = await wire.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
        assert await wire.reader.readexactly(4) == b"\x81\x02hi"


NO_HANDSHAKES = {
    "method": ("POST", "/echo", HANDSHAKE),
    "path": ("GET", "/rpc", HANDSHAKE),
    "protocol": ("GET", "/echo", ("upgrade: h2c", *HANDSHAKE[1:])),
    "connection": ("GET", "/echo", (HANDSHAKE[0], "connection: keep-alive", *HANDSHAKE[2:])),
    "key": ("GET", "/echo", (*HANDSHAKE[:2], HANDSHAKE[3])),
    "short-key": ("GET", "/echo", (*HANDSHAKE[:2], "sec-websocket-key: YQ==", HANDSHAKE[3])),
    "two-keys": ("GET", "/echo", (*HANDSHAKE, HANDSHAKE[2])),
    "version": ("GET", "/echo", (*HANDSHAKE[:3], "sec-websocket-version: 8")),
}


@pytest.mark.parametrize("case", NO_HANDSHAKES)
async def test_other_offers_are_overlooked(port: int, case: str) -> None:
    method, path, headers = NO_HANDSHAKES[case]
    async with connected(port) as wire:
        for _ in range(2):
            wire.send(request(path, b"", *headers, method=method))
            answer = await wire.answer()
            assert (answer.status, answer.told["method"]) == (200, method)


async def test_a_handshake_with_a_body_is_a_request(port: int) -> None:
    async with connected(port) as wire:
        wire.send(request("/echo", b"body", *HANDSHAKE, method="GET"))
        assert (await wire.answer()).told["body"] == "body"


async def test_a_server_without_websockets_has_none(app: Sockets) -> None:
    server = HttpServer(app, ServiceSettings())
    listener = listen("127.0.0.1", 0, "HTTP")
    await server.start(listener)
    async with connected(listener.getsockname()[1]) as wire:
        wire.send(request("/echo", b"", *HANDSHAKE, method="GET"))
        assert (await wire.answer()).status == 200
    await server.stop(0)


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [("/refuse", 403, b"was not accepted"), ("/deny", 410, b"gone"), ("/raise", 500, b"Internal")],
)
async def test_what_is_not_accepted_is_answered(
    port: int, path: str, status: int, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with client(port, path):
            pass
    response = refused.value.response
    assert response.status_code == status
    assert body in (response.body or b"")
    assert ("secret" in caplog.text) == (path == "/raise")


async def test_a_client_that_goes_before_it_is_accepted_is_told_of(app: Sockets, port: int) -> None:
    async with connected(port) as wire:
        wire.send(request("/unanswered", b"", *HANDSHAKE, method="GET"))
        await until(lambda: app.scopes)
    assert (await app.ends.get())["code"] == 1006


async def test_a_reset_ends_who_only_sends(app: Sockets, port: int) -> None:
    async with connected(port) as wire:
        wire.send(request("/flood", b"", *HANDSHAKE, method="GET"))
        await wire.reader.readuntil(b"\r\n\r\n")
        wire.reset()
    async with asyncio.timeout(10):
        assert isinstance(await app.ends.get(), websocket.ClientDisconnected)


@pytest.mark.parametrize("reset", [False, True])
async def test_a_client_that_goes_without_a_word_is_told_of(
    app: Sockets, port: int, reset: bool
) -> None:
    async with connected(port) as wire:
        wire.send(request("/echo", b"", *HANDSHAKE, method="GET"))
        await wire.reader.readuntil(b"\r\n\r\n")
        if reset:
            wire.reset()
    assert (await app.ends.get())["code"] == 1006


ENDS = {"/bye": (4001, "é" * 61), "/returns": (1000, ""), "/fails": (1011, "")}


@pytest.mark.parametrize("path", ENDS)
async def test_the_application_closes(port: int, path: str) -> None:
    async with client(port, path) as socket:
        if path != "/bye":
            await socket.send("go on")
        assert await closed(socket) == ENDS[path]


async def test_a_message_has_a_limit(app: Sockets, port: int) -> None:
    for message in (bytes(100_001), [bytes(60_000), bytes(60_000)], bytes(3_000_000)):
        async with client(port, "/echo") as socket:
            with suppress(ConnectionClosed):
                await socket.send(message)
            assert (await closed(socket))[0] == 1009
        assert (await app.ends.get())["code"] == 1009


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x81\x82\0\0\0\0\xff\xff", 1007),
        (b"\x81\x02hi", 1002),
        (b"\xf1\x80\0\0\0\0", 1002),
        (b"\x80\x80\0\0\0\0", 1002),
    ],
    ids=["utf-8", "unmasked", "reserved-bits", "continues-nothing"],
)
async def test_mistakes_are_named(app: Sockets, port: int, frame: bytes, code: int) -> None:
    async with connected(port) as wire:
        wire.send(request("/echo", b"", *HANDSHAKE, method="GET"))
        await wire.reader.readuntil(b"\r\n\r\n")
        wire.send(frame)
        answered = await wire.rest()
    assert answered[0] == 0x88
    assert int.from_bytes(answered[2:4], "big") == code
    assert (await app.ends.get())["code"] == code


async def test_nothing_is_read_ahead_of_the_application(app: Sockets, port: int) -> None:
    async with connected(port) as wire:
        wire.send(request("/late", b"", *HANDSHAKE, method="GET"))
        await wire.reader.readuntil(b"\r\n\r\n")
        frame = bytes([0x82, 0x80 | 126]) + (1000).to_bytes(2, "big") + bytes(4 + 1000)
        count = 0
        is_taken = True
        while is_taken:
            assert count < 50_000
            wire.send(frame * 100)
            count += 100
            try:
                async with asyncio.timeout(0.5):
                    await wire.writer.drain()
            except TimeoutError:
                is_taken = False
        app.release.set()
        answered = bytes([0x82, 126]) + (1000).to_bytes(2, "big") + bytes(1000)
        for _ in range(count):
            assert await wire.reader.readexactly(len(answered)) == answered


async def test_nothing_is_sent_ahead_of_the_client() -> None:
    app = Sockets()
    async with serving(app, read_timeout_seconds=0.5) as (_, port), connected(port) as wire:
        wire.send(request("/flood", b"", *HANDSHAKE, method="GET"))
        error = await app.ends.get()  # It takes nothing, and is given up.
        assert isinstance(error, websocket.ClientDisconnected)
        assert app.sent < 500


async def test_one_that_hangs_up_behind_what_is_not_read_is_told_of(
    app: Sockets, port: int
) -> None:
    async with connected(port) as wire:
        wire.send(request("/late", b"", *HANDSHAKE, method="GET"))
        await wire.reader.readuntil(b"\r\n\r\n")
        wire.send((bytes([0x82, 0x80 | 126]) + (1000).to_bytes(2, "big") + bytes(1004)) * 100)
        await wire.writer.drain()
    app.release.set()
    assert (await app.ends.get())["code"] == 1006


async def test_silent_clients_are_asked(
    app: Sockets, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "PING_SECONDS", 0.1)
    async with client(port, "/echo", ping_interval=None) as alive, connected(port) as wire:
        wire.send(request("/echo", b"", *HANDSHAKE, method="GET"))
        await wire.reader.readuntil(b"\r\n\r\n")
        assert await wire.reader.readexactly(2) == b"\x89\x00"
        assert (await wire.rest())[0] == 0x88
        assert (await app.ends.get())["code"] == 1006
        await alive.send("here")
        assert await alive.recv() == "here"


async def test_a_stop_says_so_and_waits_for_the_handlers(app: Sockets) -> None:
    async with serving(app) as (server, port), client(port, "/echo") as socket:
        await socket.send("one")
        assert await socket.recv() == "one"
        server.drain()
        await socket.send("two")
        assert await socket.recv() == "two"
        stopping = asyncio.create_task(server.stop(10))
        assert await closed(socket) == (1001, "the server is stopping")
        await stopping
        assert app.ends.get_nowait()["code"] == 1001


async def test_a_stop_does_not_wait_for_clients_that_say_nothing(app: Sockets) -> None:
    async with serving(app) as (server, port), connected(port) as wire:
        wire.send(request("/echo", b"", *HANDSHAKE, method="GET"))
        await wire.reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(8):
            await server.stop(10)
        assert app.ends.get_nowait()["code"] == 1001


async def test_a_handler_that_does_not_end_is_cancelled(app: Sockets) -> None:
    async with serving(app) as (server, port), client(port, "/late") as socket:
        await server.stop(0.1)
        assert (await closed(socket))[0] == 1001


async def test_over_tls(app: Sockets) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with serving(app, context=context) as (_, port):
        url = f"wss://127.0.0.1:{port}/echo"
        async with connect(url, ssl=trusting, proxy=None) as socket:
            message = "a" * 1_000_000
            await socket.send(message)
            assert await socket.recv() == message
        assert app.scopes[0]["scheme"] == "wss"
        assert (await app.ends.get())["code"] == 1000


async def test_a_refusal_has_the_error_body(port: int) -> None:
    async with connected(port) as wire:
        wire.send(request("/refuse", b"", *HANDSHAKE, method="GET"))
        refused = await wire.answer()
        assert (refused.status, refused.told["code"]) == (403, 7)

"""WebSockets (RFC 6455): a handshake that the application accepts, and the messages after it.

`websockets` reads and writes the frames. It is imported with the first handshake: services without
WebSockets start sooner without it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .connections import LINGER_SECONDS, LOOK_SECONDS, ClientConnection, Connections
from .exchange import HIGH_WATER_BYTES, Exchange, header_lines, status_line
from .framing import RequestHeaders
from .refusals import NOT_ACCEPTED, STOPPING, Refusal

if TYPE_CHECKING:
    from .http_protocol import HttpProtocol

PING_SECONDS = 20.0
"""After so much silence the client is asked whether it is there, and has as long to answer."""

CLOSE_SECONDS = 10.0
"""How long a client may take to say that it has seen the WebSocket close."""

DENIAL = "websocket.http.response"
"""The ASGI extension with which an application answers a handshake by an HTTP response."""

_NORMAL, _GOING_AWAY, _ABNORMAL = 1000, 1001, 1006
_NO_TEXT, _INTERNAL_ERROR = 1007, 1011
_REASON_BYTES = 123
_TEXT, _BINARY, _CONTINUATION = 1, 2, 0
_SLICE_BYTES = 16 * 1024
_BYTES_PER_EVENT = 512
"""What a message that waits takes of memory beside its content, about."""

_OURS = (b"upgrade", b"connection", b"sec-websocket-accept", b"sec-websocket-extensions")
"""Headers that are not the application's to set."""


# What it has to say of each connection is for no log, least of all what messages hold.
_frames_logger = logging.getLogger("polyrpc.server.frames")
_frames_logger.setLevel(logging.WARNING)


class ClientDisconnected(ConnectionError):  # noqa: N818 - as ASGI servers call it
    """Nobody takes what is sent: the WebSocket is closed."""


def handshake_answer(head: RequestHeaders) -> bytes | None:
    """Finds what `Sec-WebSocket-Accept` is for a request; None: it is no WebSocket handshake."""
    if head.method != "GET" or head.is_1_0 or head.length or head.is_chunked:
        return None
    if not any(name == b"sec-websocket-key" for name, _ in head.headers):
        return None
    from websockets.datastructures import Headers
    from websockets.http11 import Request
    from websockets.server import ServerProtocol

    decoded = [(key.decode("latin-1"), text.decode("latin-1")) for key, text in head.headers]
    request = Request(head.url.decode("ascii"), Headers(decoded))
    response = ServerProtocol(logger=_frames_logger).accept(request)
    if response.status_code != 101:
        return None
    return response.headers["Sec-WebSocket-Accept"].encode("ascii")


def websocket_scope(scope: Mapping[str, Any]) -> dict[str, Any]:
    """Makes the ASGI scope of a WebSocket of that of its handshake as a request."""
    extensions: dict[str, Any] = {DENIAL: {}}
    if "tls" in scope["extensions"]:
        extensions["tls"] = scope["extensions"]["tls"]
    offered = b",".join(
        value for name, value in scope["headers"] if name == b"sec-websocket-protocol"
    )
    names = [name.strip() for name in offered.decode("latin-1").split(",")]
    changed = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "scheme": "wss" if scope["scheme"] == "https" else "ws",
        "subprotocols": [name for name in names if name],
        "extensions": extensions,
    }
    return {name: value for name, value in {**scope, **changed}.items() if name != "method"}


class Handshake(Exchange):
    """A request for a WebSocket, and, once the application has accepted it, that WebSocket.

    Until then it is answered as any request is.
    """

    __slots__ = ("_accept_key", "_connected", "_socket")

    def __init__(
        self,
        connection: HttpProtocol,
        scope: Mapping[str, Any],
        head: RequestHeaders,
        max_bytes: int,
        accept_key: bytes,
    ) -> None:
        super().__init__(connection, scope, head, max_bytes)
        self._accept_key = accept_key
        self._connected = False
        self._socket: WebSocket | None = None
        self._delivered = True  # There is no body.

    async def run(self, app: Any) -> None:
        """Follows `Exchange`; what the application leaves open when it returns is closed."""
        await super().run(app)
        if self._socket is not None:
            self._socket.close(_NORMAL)

    async def refuse(self, refusal: Refusal) -> None:
        """Follows `Exchange`."""
        if self._socket is None:
            await super().refuse(refusal)
        else:
            self._socket.close(_GOING_AWAY if refusal is STOPPING else _INTERNAL_ERROR)

    async def receive(self) -> Mapping[str, Any]:
        """ASGI's `receive`."""
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        if self._socket is None:
            await super().receive()  # It returns when it was accepted, too.
        if self._socket is None:
            return {"type": "websocket.disconnect", "code": _ABNORMAL, "reason": ""}
        return await self._socket.receive()

    async def send(self, message: Mapping[str, Any]) -> None:
        """ASGI's `send`."""
        kind = message["type"]
        if self._socket is not None:
            await self._socket.send(message)
        elif kind == "websocket.accept" and not self.response_started:
            await self._accept(message)
        elif kind == "websocket.close" and not self.response_started:
            await self.refuse(NOT_ACCEPTED)
        else:
            await super().send({**message, "type": kind.removeprefix("websocket.")})

    async def _accept(self, message: Mapping[str, Any]) -> None:
        connection = self._connection
        if connection.write_paused and not self.disconnected:
            await connection.drain()
        if self.disconnected:
            raise ClientDisconnected
        headers = [
            (b"upgrade", b"websocket"),
            (b"connection", b"Upgrade"),
            (b"sec-websocket-accept", self._accept_key),
        ]
        subprotocol = message.get("subprotocol")
        if subprotocol is not None:
            headers.append((b"sec-websocket-protocol", subprotocol.encode("latin-1")))
        headers += [one for one in message.get("headers", ()) if one[0].lower() not in _OURS]
        head = b"".join(
            (status_line(101), connection.connections.default_head, header_lines(headers), b"\r\n")
        )
        self.response_started = self.response_complete = True
        self._socket = connection.upgrade(head)
        self.wake()


class WebSocket(ClientConnection):
    """A connection on which messages are sent to and fro.

    Nothing is read ahead of the application but a few messages, and nothing while the client does
    not take what it is sent.
    """

    def __init__(self, connections: Connections, loop: asyncio.AbstractEventLoop) -> None:
        from websockets import protocol

        super().__init__(connections, loop)
        self._frames = protocol.Protocol(
            protocol.SERVER, max_size=self._limits.max_message_bytes, logger=_frames_logger
        )
        # What was received, and the application has not asked for yet.
        self._unread, self._position = b"", 0
        self._message = bytearray()
        self._is_text = False
        self._events: deque[Mapping[str, Any]] = deque()
        self._queued = 0
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        # The application is told, or about to be, that the WebSocket is closed.
        self._is_closed = False
        self._ends_at: float | None = None
        self._heard = loop.time()
        self._has_asked = False

    def begin(self, transport: asyncio.Transport, head: bytes, unread: bytes) -> None:
        """Takes over from the protocol that has read the handshake.

        Args:
            transport: The way to the client, on which the handshake was.
            head: The answer to that.
            unread: What the client has sent after it.
        """
        self._enter(transport)
        self._write(head)
        self._look_in(0.0)
        if unread:
            self.data_received(unread)
        if self.connections.stopping:
            self.finish()

    # What asyncio calls

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - it does not matter
        self._leave()
        self._disconnect(_ABNORMAL)
        self._unread = b""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._hear()
        if self._unread:
            data = self._unread[self._position :] + data
        self._unread, self._position = data, 0
        self._advance()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()
        self._advance()

    # What the server calls

    def finish(self) -> None:
        """Closes the WebSocket; it may be called again."""
        self.close(_GOING_AWAY, STOPPING.detail)
        self._end_within(LINGER_SECONDS)

    # What the application calls, by way of the handshake

    async def receive(self) -> Mapping[str, Any]:
        """ASGI's `receive`."""
        while not self._events:
            self._arrived.clear()
            await self._arrived.wait()
        event = self._events[0]
        if event["type"] == "websocket.receive":  # What follows a disconnect is another.
            self._events.popleft()
            self._queued -= _cost(event)
            self._advance()
        return event

    async def send(self, message: Mapping[str, Any]) -> None:
        """ASGI's `send`.

        Raises:
            ClientDisconnected: It cannot be sent any more.
        """
        kind = message["type"]
        if kind == "websocket.close":
            self.close(message.get("code", _NORMAL), message.get("reason") or "")
            return
        if kind != "websocket.send":
            raise RuntimeError(f"{kind} does not follow here")
        await self._writable.wait()
        # A reset is seen in writing first: whoever never waits is told of it no other way.
        if self._is_closed or self.transport.is_closing():
            raise ClientDisconnected
        text = message.get("text")
        if text is not None:
            self._frames.send_text(text.encode())
        else:
            self._frames.send_binary(message["bytes"])
        self._flush()

    def close(self, code: int, reason: str = "") -> None:
        """Closes the WebSocket, if it is open."""
        if self._is_closed:
            return
        reason = reason.encode()[:_REASON_BYTES].decode(errors="ignore")
        self._frames.send_close(code, reason)
        self._disconnect(code, reason)
        self._flush()
        self._end_within(CLOSE_SECONDS)
        self._advance()

    # Reading

    def _advance(self) -> None:
        """Takes what has arrived, as far as there is somebody who wants it."""
        while self._position < len(self._unread) and not self._is_full():
            part = self._unread[self._position : self._position + _SLICE_BYTES]
            self._position += len(part)
            self._frames.receive_data(part)
            for frame in self._frames.events_received():
                if not self._is_closed:
                    self._take(frame)
            close = self._frames.close_rcvd or self._frames.close_sent
            if close is not None:
                self._disconnect(close.code, close.reason)
            self._flush()
        if self._position == len(self._unread):
            self._unread, self._position = b"", 0
        if self.transport.is_closing():
            return
        if self._is_full() and not self._read_paused:
            self._read_paused = True
            self.transport.pause_reading()
            self._look_in(LOOK_SECONDS)
        elif self._read_paused and not self._is_full():
            self._read_paused = False
            self._hear()
            self.transport.resume_reading()

    def _is_full(self) -> bool:
        if not self._writable.is_set():
            return True
        return self._queued >= HIGH_WATER_BYTES and not self._is_closed

    def _take(self, frame: Any) -> None:
        if frame.opcode not in (_TEXT, _BINARY, _CONTINUATION):
            return
        if frame.opcode != _CONTINUATION:
            self._is_text = frame.opcode == _TEXT
        if not frame.fin or self._message:
            self._message += frame.data
            if not frame.fin:
                return
            content, self._message = bytes(self._message), bytearray()
        else:
            content = bytes(frame.data)
        event: dict[str, Any] = {"type": "websocket.receive"}
        if self._is_text:
            try:
                event["text"] = content.decode()
            except UnicodeDecodeError:
                self._frames.fail(_NO_TEXT, "text must be UTF-8")
                self._disconnect(_NO_TEXT)
                return
        else:
            event["bytes"] = content
        self._queued += _cost(event)
        self._events.append(event)
        self._arrived.set()

    def _disconnect(self, code: int, reason: str = "") -> None:
        if not self._is_closed:
            self._is_closed = True
            self._events.append({"type": "websocket.disconnect", "code": code, "reason": reason})
            self._arrived.set()

    # Writing

    def _write(self, data: bytes) -> None:
        self._written += len(data)
        self.transport.write(data)

    def _flush(self) -> None:
        for data in self._frames.data_to_send():
            if self.transport.is_closing():
                return
            if data:
                self._write(data)
            elif self._frames.parser_exc is None and self._frames.close_rcvd is not None:
                self.transport.close()
            else:
                self._end_writing()
                self._end_within(LINGER_SECONDS)

    # Looking after the client

    def _hear(self) -> None:
        self._heard = self._loop.time()
        self._has_asked = False

    def _end_within(self, seconds: float) -> None:
        end = self._loop.time() + seconds
        if self._ends_at is None or end < self._ends_at:
            self._ends_at = end
            self._look_in(seconds)

    def _look(self) -> None:
        """Asks the client whether it is there, and ends the connection if it is not."""
        now = self._loop.time()
        waiting = self.transport.get_write_buffer_size()
        # One that is still taking what it was sent before has more time.
        is_over = self._ends_at is not None and now >= self._ends_at and not waiting
        if self._has_given_up(now, waiting) or is_over:
            self.transport.abort()
            return
        patience = PING_SECONDS * (2 if self._has_asked else 1)
        if now - self._heard >= patience and not (self._read_paused or self._is_closed):
            if self._has_asked:
                self._frames.fail(_INTERNAL_ERROR, "there was no answer to a ping")
                self._disconnect(_ABNORMAL)
            else:
                self._has_asked = True
                patience = 2 * PING_SECONDS
                self._frames.send_ping(b"")
            self._flush()
        left = self._limits.read_timeout
        if self._ends_at is not None:
            left = min(left, max(self._ends_at - now, LOOK_SECONDS if waiting else 0.0))
        if self._read_paused:
            left = min(left, LOOK_SECONDS)
        elif not self._is_closed:
            left = min(left, max(self._heard + patience - now, 0.01))
        self._look_in(left)


def _cost(event: Mapping[str, Any]) -> int:
    return _BYTES_PER_EVENT + len(event.get("text") or event.get("bytes") or b"")

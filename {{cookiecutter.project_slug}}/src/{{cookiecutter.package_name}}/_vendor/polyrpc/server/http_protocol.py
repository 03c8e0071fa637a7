"""One HTTP/1.1 connection: requests one after another, and limits for what its client may cost.

Nothing is read ahead of the answers but a few bytes: a request is looked at when the one before it
has been answered, so that answers, refusals included, are in the order of the requests.
"""

from __future__ import annotations

import asyncio
import logging
import os
import struct
from collections.abc import Callable
from socket import SO_LINGER, SOL_SOCKET
from typing import Any
from urllib.parse import unquote

import httptools

from ..calls.http_stream import ON_DISCONNECT, REQUEST_STREAM
from .connections import (
    LINGER_SECONDS,
    LOOK_SECONDS,
    SLOWEST_BYTES_PER_SECOND,
    ClientConnection,
    Connections,
)
from .exchange import HIGH_WATER_BYTES, Exchange, header_lines, status_line
from .framing import RequestHeaders
from .refusals import MALFORMED, TOO_SLOW, Refusal, Refused
from .websocket import Handshake, WebSocket, handshake_answer, websocket_scope

logger = logging.getLogger("polyrpc.server")


class HttpProtocol(ClientConnection):
    """A connection by HTTP/1.1.

    A client that closes its side of the connection, half or whole, has gone: what it asked for is
    cancelled. That is how asyncio has it, and the only sign of most clients that give up.

    Attributes:
        write_paused: The client is slow to take what was written.
    """

    def __init__(self, connections: Connections, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(connections, loop)
        self._extensions: dict[str, Any] = {
            REQUEST_STREAM: self._allow_pauses,
            ON_DISCONNECT: self._on_disconnect,
        }
        self._common: dict[str, Any] = {}
        # What is being received, and what waits for its turn.
        self._head: RequestHeaders | None = None
        self._exchange: Exchange | None = None
        self._unread, self._position = b"", 0
        self._ending = False
        # What is being sent.
        self.write_paused = False
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._writable: asyncio.Event | None = None
        # How long the client has had for what it is awaited to do.
        self._made = self._since = 0.0
        self._received_before = 0
        self._is_new = True

    # What asyncio calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # a wider one in typeshed
        self._enter(transport)
        self._common = self._common_scope(self._extensions)
        self._made = self._since = self._loop.time()
        self._look_in(LINGER_SECONDS if self.connections.stopping else self._limits.read_timeout)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - it does not matter
        self._leave()
        self._ending = True
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.disconnect()
        self._head = None
        self._held = []
        self._unread = b""
        self._extensions = {}  # It holds methods of this object.
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._ending:
            return
        if self._unread:
            data = self._unread[self._position :] + data
        self._unread, self._position = data, 0
        self._advance()

    def pause_writing(self) -> None:
        self.write_paused = True

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._writable is not None:
            self._writable.set()
            self._writable = None
        if self._unread and self._exchange is None:
            self._advance()

    # What the server calls

    def finish(self) -> None:
        """Closes the connection as soon as it has had nothing to do for a moment.

        What has been asked is answered. The answers that begin from now on tell the client that
        the connection ends; after one that could not, the next request is awaited for a moment.
        """
        self._look_in(0.0)

    # What an exchange calls

    def may_go_on(self) -> bool:
        """Whether there may be a request after the one that is being answered."""
        connections = self.connections
        if self._unread:  # It has been asked for already.
            return True
        if connections.draining or not self._limits.keep_alive:
            return False
        return self._loop.time() - self._made <= self._limits.max_age

    def hold(self, data: bytes) -> None:
        """Writes what more of the response follows, soon: together with that, if it is there."""
        if not self._held:
            self._held_bytes = 0
            self._loop.call_soon(self._release)
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes >= HIGH_WATER_BYTES:
            self._release()

    def write(self, data: bytes) -> None:
        """Writes, after what has been held."""
        self.hold(data)
        self._release()

    async def drain(self) -> None:
        """Waits until the client has taken most of what was written."""
        while self.write_paused:
            if self._writable is None:
                self._writable = asyncio.Event()
            await self._writable.wait()

    def go_on(self) -> None:
        """The client is awaited to send more of the request's body from now on."""
        self._wait_anew()
        self._advance()

    def answered(self) -> None:
        """The response is complete."""
        exchange = self._exchange
        if exchange is None or self._ending:
            return
        if not exchange.keep_alive:
            self._end()
            return
        self._wait_anew()
        if not exchange.more_body:
            self._exchange = None
        if self._unread:
            self._advance()
        elif self.connections.stopping:
            self._look_in(LINGER_SECONDS)

    def cut(self, *, reset: bool = False) -> None:
        """Ends the connection in the middle of a response, with a reset if need be."""
        self._ending = True
        self._release()
        if reset:
            no_linger = struct.pack("ii" if os.name == "posix" else "hh", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, no_linger)
            self.transport.abort()
        else:
            self.transport.close()

    def upgrade(self, head: bytes) -> WebSocket:
        """Writes `head`; what is said afterwards is said by the WebSocket."""
        self._release()
        self._ending = True
        self._leave()
        socket = WebSocket(self.connections, self._loop)
        unread, self._unread = self._unread[self._position :], b""
        self.transport.set_protocol(socket)
        self._resume_reading()
        self._exchange = None
        self._extensions = {}  # It holds methods of this object.
        socket.begin(self.transport, head, unread)
        return socket

    # Reading

    def _advance(self) -> None:
        """Takes what has arrived, as far as there is somebody who wants it."""
        data, position = self._unread, self._position
        try:
            while position < len(data) and not self._ending:
                exchange = self._exchange
                if exchange is None:
                    if self.write_paused:
                        break
                    position = self._read_head(data, position)
                elif exchange.more_body and len(exchange.body) <= HIGH_WATER_BYTES:
                    position = exchange.feed(data, position)
                    if exchange.response_complete and not exchange.more_body:
                        self._exchange = None
                        self._wait_anew()
                else:
                    break
        except Refused as refused:
            self._refuse(refused.refusal)
            return
        if self._ending:
            self._unread = b""
            return
        left = len(data) - position
        if not left:
            self._unread, position = b"", 0
        self._position = position
        if left > HIGH_WATER_BYTES:
            self._pause_reading()
        elif self._read_paused:
            self._resume_reading()

    def _read_head(self, data: bytes, position: int) -> int:
        head = self._head
        if head is None:
            if data[position] in b"\r\n":  # Blank lines before a request are overlooked.
                position = len(data) - len(data[position:].lstrip(b"\r\n"))
                if position == len(data):
                    return position
            head = self._head = RequestHeaders()
            self._is_new = False
            self._wait_anew()
        position = head.feed(data, position, self._limits.max_header_bytes)
        if head.is_complete:
            self._head = None
            self._begin(head)
        return position

    def _begin(self, head: RequestHeaders) -> None:
        raw_path, query = _target(head.url)
        path = raw_path.decode("ascii")
        scope = {
            **self._common,
            "http_version": "1.0" if head.is_1_0 else "1.1",
            "method": head.method,
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": head.headers,
            "state": {},
            "extensions": self._extensions,
        }
        connections = self.connections
        exchange = self._handshake(scope, head) if head.offers_upgrade else None
        if exchange is None:
            exchange = Exchange(self, scope, head, self._limits.max_header_bytes)
        self._exchange = exchange
        self._since, self._received_before = self._loop.time(), 0
        connections.calls.start(exchange.run(connections.app), self._loop)

    def _handshake(self, scope: dict[str, Any], head: RequestHeaders) -> Exchange | None:
        """Makes what answers a WebSocket handshake; all other offers to upgrade are overlooked."""
        takes_websocket = self.connections.takes_websocket
        if takes_websocket is None:
            return None
        scope = websocket_scope(scope)
        if not takes_websocket(scope):
            return None
        accept_key = handshake_answer(head)
        if accept_key is None:
            return None
        return Handshake(self, scope, head, self._limits.max_header_bytes, accept_key)

    def _allow_pauses(self) -> None:
        if self._exchange is not None:
            self._exchange.may_pause = True

    def _on_disconnect(self, tell: Callable[[], None]) -> None:
        if self._exchange is None:
            tell()
        else:
            self._exchange.on_disconnect = tell

    def _pause_reading(self) -> None:
        if not self._read_paused:
            self._read_paused = True
            self.transport.pause_reading()
            if self._patrol is None or self._patrol.when() > self._loop.time() + LOOK_SECONDS:
                self._look_in(LOOK_SECONDS)

    def _resume_reading(self) -> None:
        if self._read_paused:
            self._read_paused = False
            self._wait_anew()
            self.transport.resume_reading()

    # Ending

    def _refuse(self, refusal: Refusal) -> None:
        """Answers what the client has sent, or has failed to send."""
        logger.debug("refused %s: %s", self._common["client"], refusal.detail)
        exchange, self._exchange = self._exchange, None
        headers = [] if self._head is None else self._head.headers
        if exchange is not None:
            headers = exchange.scope["headers"]
            exchange.disconnect()
            if exchange.response_started and not exchange.response_complete:
                self.cut()
                return
        if exchange is None or not exchange.response_started:
            headers, body = refusal.response(self.connections.allowed_to(headers))
            lines = self.connections.default_head, header_lines(headers), b"\r\n", body
            self.write(b"".join((status_line(refusal.status), *lines)))
        self._linger()

    def _end(self) -> None:
        """Closes the connection after its last answer."""
        self._release()
        exchange = self._exchange
        if self._unread or self._head or (exchange is not None and exchange.more_body):
            self._linger()
        else:
            self._ending = True
            self.transport.close()

    def _linger(self) -> None:
        """Says that nothing more comes, and waits for the client to see that."""
        self._ending = True
        self._unread = b""
        self._head = self._exchange = None
        self._resume_reading()
        self._since = self._loop.time()
        self._end_writing()
        if self.connections.stopping:
            self._look_in(LINGER_SECONDS)

    def _release(self) -> None:
        held = self._held
        if held and not self.transport.is_closing():
            self._held = []
            self._written += self._held_bytes
            self.transport.writelines(held)

    # Looking after the client

    def _wait_anew(self) -> None:
        self._since = self._loop.time()
        if self._exchange is not None:
            self._received_before = self._exchange.received

    def _look(self) -> None:
        """Ends the connection if its client has gone, or takes too long."""
        now = self._loop.time()
        if self._has_given_up(now, self.transport.get_write_buffer_size()):
            self.transport.abort()
            return
        left = self._since + self._patience() - now
        if left <= 0:
            self._run_out(now)
            if self.transport.is_closing():
                left = self._limits.read_timeout
            else:
                left = max(self._since + self._patience() - now, 0.0)
        longest = min(self._limits.read_timeout, self._limits.keep_alive or LINGER_SECONDS)
        if self._read_paused:
            longest = min(longest, LOOK_SECONDS)
        self._look_in(min(left, max(longest, 0.05)))

    def _patience(self) -> float:
        """How long the client may take for what it is awaited to do."""
        is_idle = self._exchange is None and self._head is None
        if is_idle and self.connections.stopping:
            return LINGER_SECONDS
        if is_idle and not (self._is_new or self._ending):
            return self._limits.keep_alive
        return self._limits.read_timeout

    def _run_out(self, now: float) -> None:
        """The client has had the time that there was."""
        exchange = self._exchange
        if self._ending and not self.transport.get_write_buffer_size():
            self.transport.abort()
        elif self._ending:  # It is taking its answer.
            self._since = now
        elif self._head is not None:
            self._refuse(TOO_SLOW)
        elif exchange is None:
            self.transport.close()
        elif self._waits_for(exchange):
            enough = SLOWEST_BYTES_PER_SECOND * self._limits.read_timeout
            if exchange.response_complete:
                self._ending = True
                self.transport.close()
            elif exchange.received - self._received_before < enough:
                self._refuse(TOO_SLOW)
            else:
                self._wait_anew()
        else:  # It is the application's turn.
            self._since = now

    def _waits_for(self, exchange: Exchange) -> bool:
        """Whether the client is to send something of the request's body."""
        if not exchange.more_body or exchange.awaits_continue:
            return False
        if exchange.response_complete:
            return True
        if exchange.may_pause and exchange.chunks is not None:
            return False
        return len(exchange.body) <= HIGH_WATER_BYTES


def _target(url: bytes) -> tuple[bytes, bytes]:
    """Splits a request target into path and query.

    Raises:
        Refused: It is none of an origin server.
    """
    if not url.isascii():
        raise Refused(MALFORMED)
    if url[:1] == b"/" and b"#" not in url:
        path, _, query = url.partition(b"?")
        return path, query
    try:
        parsed = httptools.parse_url(url)
    except httptools.HttpParserInvalidURLError:
        raise Refused(MALFORMED) from None
    return parsed.path or b"/", parsed.query or b""

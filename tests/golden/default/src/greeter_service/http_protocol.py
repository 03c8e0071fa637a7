"""One HTTP/1.1 connection: uvicorn's, with limits for slow clients and an unhurried end."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from dataclasses import dataclass
from typing import Any, NamedTuple, cast
from weakref import WeakSet

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

logger = logging.getLogger(__name__)

LINGER_SECONDS = 1.0
"""For how long a stopping server awaits a request that may be on its way to it."""

SLOWEST_BYTES_PER_SECOND = 500


class Refusal(NamedTuple):
    """An answer that needs no application, in the form of the gateway's errors."""

    status: int
    code: int
    name: str
    detail: str

    def body(self) -> bytes:
        """The error body."""
        fields = {"detail": self.detail, "code": self.code, "status": self.name, "details": []}
        return json.dumps(fields).encode()


MALFORMED = Refusal(400, 3, "INVALID_ARGUMENT", "this is no HTTP/1.1 request")
TOO_SLOW = Refusal(408, 4, "DEADLINE_EXCEEDED", "the request took too long to arrive")
TOO_LARGE = Refusal(431, 8, "RESOURCE_EXHAUSTED", "the request's headers are too large")
STOPPING = Refusal(503, 14, "UNAVAILABLE", "the server is stopping")


@dataclass
class Limits:
    """What clients may demand of a connection; see `Settings`."""

    read_timeout: float
    max_header_bytes: int
    max_age: float


class Connections(ServerState):
    """What the connections of one server have in common.

    Attributes:
        limits: They hold for each connection.
        draining: Answers ask clients to close their connections.
        stopping: Connections close when they have nothing to do.
        unmade: Accepted, but still shaking hands.
    """

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.limits = limits
        self.draining = self.stopping = False
        self.unmade: WeakSet[HttpProtocol] = WeakSet()


class HttpProtocol(HttpToolsProtocol):
    """Adds to uvicorn's protocol: the ASGI TLS extension, limits, and a stop that loses no call."""

    def __init__(
        self, config: uvicorn.Config, state: Connections, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(config, state, {}, loop)
        self._shared = state
        self._limits = state.limits
        self._keep_alive = self.timeout_keep_alive
        self._tls: dict[object, object] | None = None
        self._made = self._waiting_since = 0.0
        self._in_headers = False
        self._header_bytes = self._arrived = self._received = self._received_before = 0
        self._refusal = MALFORMED
        self._refused = False
        self._patrol: asyncio.TimerHandle | None = None
        state.unmade.add(self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        # What uvicorn sends goes this way; it asks for no more of a transport than there is.
        self.transport = cast(asyncio.Transport, JoinedWrites(transport, self.loop))
        self._shared.unmade.discard(self)
        self._made = self._waiting_since = self.loop.time()
        self._patrol = self.loop.call_later(self._limits.read_timeout, self._check)
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if tls is not None:
            certificate = tls.getpeercert(binary_form=True)
            self._tls = {
                "client_cert_chain": [ssl.DER_cert_to_PEM_cert(certificate)] if certificate else [],
                "peer_certificate": tls.getpeercert(),
            }
        if self._shared.stopping:
            self.finish()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._patrol is not None:
            self._patrol.cancel()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._unset_keepalive_if_required()
        message = self.scope
        size = len(data)
        self._arrived += size
        self._received += size
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # An offer; it is declined by answering in HTTP/1.1.
        except httptools.HttpParserError:
            self._refuse(self._refusal)
            return
        if not self._in_headers:
            self._arrived = 0
        elif self.scope is message:
            # Unfinished headers are not seen by `on_headers_complete`, perhaps never.
            self._header_bytes += size
            if self._header_bytes > self._limits.max_header_bytes:
                self._refuse(TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers = True
        self._header_bytes = 0
        self._waiting_since = self.loop.time()
        if self._tls is not None:
            self.scope["extensions"] = {"tls": self._tls}

    def on_headers_complete(self) -> None:
        # Counted only where what has arrived, bodies and all, is more than there may be.
        if self._arrived > self._limits.max_header_bytes:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > self._limits.max_header_bytes:
                self._refusal = TOO_LARGE
                raise ValueError(TOO_LARGE.detail)
        self._in_headers = False
        super().on_headers_complete()
        self._received_before = self._received
        now = self._waiting_since = self.loop.time()
        if self._shared.draining or now - self._made > self._limits.max_age:
            self.cycle.keep_alive = False

    def finish(self) -> None:
        """Closes the connection as soon as it has had nothing to do for a moment.

        What has been asked is answered. The answers that begin from now on tell the client that
        the connection ends; after one that could not, the next request is awaited for a moment.
        """
        if self.timeout_keep_alive == LINGER_SECONDS:  # It is being finished already.
            return
        self.timeout_keep_alive = cast(int, LINGER_SECONDS)  # call_later takes any number.
        if self.cycle is not None and not self.cycle.response_complete:
            if not self.cycle.response_started:
                self.cycle.keep_alive = False
        elif not self._in_headers:
            idle = self.loop.time() - self._idle_since()
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                max(LINGER_SECONDS - idle, 0.0), self.timeout_keep_alive_handler
            )

    def _check(self) -> None:
        now = self.loop.time()
        overdue = now - self._waiting_since - self._limits.read_timeout
        if self._waits_for_body():
            overdue -= (self._received - self._received_before) / SLOWEST_BYTES_PER_SECOND
        elif not self._in_headers and self.cycle is not None:
            overdue = -self._limits.read_timeout
        if overdue < 0:
            self._patrol = self.loop.call_later(-overdue, self._check)
        elif self._in_headers or self.cycle is not None:
            self._refuse(TOO_SLOW)
        else:  # Not a byte so far.
            self.transport.close()

    def _idle_since(self) -> float:
        # uvicorn sets this timer when a response is complete.
        timer = self.timeout_keep_alive_task
        return self._made if timer is None else timer.when() - self._keep_alive

    def _waits_for_body(self) -> bool:
        """Whether a body of declared length is due; one without is a stream, and may pause."""
        return (
            self.cycle is not None
            and self.cycle.more_body
            and not self.flow.read_paused
            and any(name == b"content-length" for name, _ in self.headers)
        )

    def _refuse(self, refusal: Refusal) -> None:
        if self._patrol is not None:
            self._patrol.cancel()
        logger.debug("refused %s: %s", self.client, refusal.detail)
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:  # It is the next request that is refused: this one goes first.
                cycle.keep_alive = False
                self.flow.pause_reading()
                return
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.close()
                return
        body = refusal.body()
        self.transport.write(
            b"%scontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
            % (STATUS_LINE[refusal.status], len(body), body)
        )
        # Closed with something unread, the connection would be reset and the answer with it.
        self._refused = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)


class JoinedWrites:
    """A transport that sends what is written in one go with one system call: head and body, say.

    Args:
        transport: It does everything else.
        loop: On its next turn, what waits for more is sent as it is.
    """

    __slots__ = ("_loop", "_transport", "_waiting")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: bytes | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Sends `data`, together with what waits, or has it wait for what follows."""
        waiting = self._waiting
        if waiting is None:
            self._waiting = data
            self._loop.call_soon(self._send)
        else:
            self._waiting = None
            self._transport.writelines((waiting, data))

    def write_eof(self) -> None:
        """Ends the stream, after what waits."""
        self._send()
        self._transport.write_eof()

    def close(self) -> None:
        """Closes the connection, once what waits has been sent."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not self._transport.is_closing():
            self._transport.write(waiting)


def answering_when_cancelled(app: Any) -> Any:
    """Wraps an ASGI application served by uvicorn: calls cancelled by a stop get an answer too."""

    async def answering(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:  # The time to stop is over.
            cycle: RequestResponseCycle = send.__self__
            if cycle.response_started:
                cycle.disconnected = True
                cycle.transport.close()
                return
            body = STOPPING.body()
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
                (b"connection", b"close"),
            ]
            start = {"type": "http.response.start", "status": STOPPING.status, "headers": headers}
            await send(start)
            await send({"type": "http.response.body", "body": body, "more_body": False})

    return answering

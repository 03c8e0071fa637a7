"""What the connections of one server have in common, whatever is spoken on them."""

from __future__ import annotations

import asyncio
import select
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

from ..calls.http_stream import StraightAnswers
from ..origins import Headers, Origins
from .call_tasks import CallTasks

LINGER_SECONDS = 1.0
"""For how long a stopping server awaits what may be on its way to it."""

SLOWEST_BYTES_PER_SECOND = 500
"""What a client must send of a body, or take of an answer, in each `read_timeout` on average."""

LOOK_SECONDS = 1.0
"""How often a client is looked after from which nothing is read meanwhile."""


@dataclass
class Limits:
    """What clients may demand of a connection; see `ServiceSettings`."""

    read_timeout: float
    keep_alive: float
    max_header_bytes: int
    max_age: float
    max_message_bytes: int


class Connections:
    """What the connections of one server have in common.

    Attributes:
        app: The ASGI application that answers.
        limits: They hold for each connection.
        takes_websocket: Whether the handshake that a WebSocket's scope tells of is for the
            application to accept; None: it has no WebSockets.
        origins: Whose pages may read refusals; None: those of no other.
        open: Those that are made.
        unmade: Accepted, but still shaking hands.
        calls: Has requests answered.
        straight: Gives the table of what answers requests over HTTP/2 without ASGI, as it is now;
            None: nothing does.
        default_head: The headers that all responses have, each with its line's end.
        draining: Answers ask clients to close their connections.
        stopping: Connections close when they have nothing to do.
    """

    def __init__(
        self,
        app: Any,
        limits: Limits,
        takes_websocket: Callable[[Mapping[str, Any]], bool] | None = None,
        origins: Origins | None = None,
    ) -> None:
        self.app = app
        self.origins = origins
        self.limits = limits
        self.takes_websocket = takes_websocket
        self.open: set[ClientConnection] = set()
        self.unmade: WeakSet[Any] = WeakSet()
        self.calls = CallTasks()
        self.straight: Callable[[], StraightAnswers | None] | None = None
        self.default_head = b""
        self.draining = self.stopping = False

    def allowed_to(self, request_headers: Iterable[tuple[bytes, bytes]]) -> Headers:
        """What a refusal says to the page that has sent a request, so that it may be read."""
        return [] if self.origins is None else self.origins.allowed_to(request_headers)


class ClientConnection(asyncio.Protocol, ABC):
    """The connection of a client, which is looked after while it is open.

    Args:
        connections: The others of the server, and what holds for all.
        loop: The running event loop.

    Attributes:
        connections: As given.
        transport: The way to the client.
    """

    transport: asyncio.Transport

    def __init__(self, connections: Connections, loop: asyncio.AbstractEventLoop) -> None:
        self.connections = connections
        self._limits = connections.limits
        self._loop = loop
        self._read_paused = False
        self._written = 0
        self._taken = 0
        self._stuck_since: float | None = None
        self._patrol: asyncio.TimerHandle | None = None
        connections.unmade.add(self)

    @abstractmethod
    def finish(self) -> None:
        """Closes the connection as soon as that can be."""

    @abstractmethod
    def _look(self) -> None:
        """Ends what takes the client too long."""

    def _enter(self, transport: asyncio.Transport) -> None:
        self.connections.unmade.discard(self)
        self.connections.open.add(self)
        self.transport = transport

    def _common_scope(self, extensions: dict[str, Any]) -> dict[str, Any]:
        """Makes what all ASGI scopes of the connection have; adds what TLS has to `extensions`."""
        transport = self.transport
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if tls is not None:
            certificate = tls.getpeercert(binary_form=True)
            extensions["tls"] = {
                "client_cert_chain": [ssl.DER_cert_to_PEM_cert(certificate)] if certificate else [],
                "peer_certificate": tls.getpeercert(),
            }
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "server": _address(transport.get_extra_info("sockname")),
            "client": _address(transport.get_extra_info("peername")),
            "scheme": "http" if tls is None else "https",
            "root_path": "",
        }

    def _leave(self) -> None:
        self.connections.open.discard(self)
        if self._patrol is not None:
            self._patrol.cancel()

    def _look_in(self, seconds: float) -> None:
        if self._patrol is not None:
            self._patrol.cancel()
        self._patrol = self._loop.call_later(seconds, self._look)

    def _has_given_up(self, now: float, waiting: int) -> bool:
        """Whether the client takes next to nothing, or has gone.

        Args:
            now: The event loop's time.
            waiting: How many bytes of what was written have not left yet.
        """
        return self._is_stuck(now, waiting) or (self._read_paused and _has_hung_up(self.transport))

    def _is_stuck(self, now: float, waiting: int) -> bool:
        """Whether the client has long taken next to nothing of what was written."""
        if not waiting:
            self._stuck_since = None
            return False
        taken = self._written - waiting
        enough = SLOWEST_BYTES_PER_SECOND * self._limits.read_timeout
        if self._stuck_since is None or taken - self._taken >= enough:
            self._stuck_since = now
            self._taken = taken
        return now - self._stuck_since >= self._limits.read_timeout

    def _end_writing(self) -> None:
        """Says that nothing more comes.

        Closed with something unread, the connection would be reset, and what the client was told
        last would be lost.
        """
        if self.transport.can_write_eof():
            with suppress(OSError):  # It has gone just now.
                self.transport.write_eof()


def _has_hung_up(transport: asyncio.Transport) -> bool:
    """Whether the client has closed the connection, behind what has not been read from it."""
    if not hasattr(select, "poll"):  # Windows
        return False
    poll = select.poll()
    poll.register(transport.get_extra_info("socket"), getattr(select, "POLLRDHUP", 0))
    return bool(poll.poll(0))


def _address(name: Any) -> tuple[str, int] | None:
    """Host and port of one end of a connection, as ASGI has them."""
    if not isinstance(name, tuple):
        return None
    host = str(name[0])
    # A listener for both families tells the old one so.
    if host.startswith("::ffff:") and "." in host:
        host = host[7:]
    return host, int(name[1])

"""The HTTP server: connections of one listener, from its start to its drain and stop."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import ssl
from collections.abc import Callable, Mapping
from email.utils import formatdate
from socket import socket
from typing import Any

from ..origins import Origins
from ..settings import ServiceSettings
from .connections import LINGER_SECONDS, Connections, Limits
from .http_protocol import HttpProtocol
from .refusals import STOPPING
from .sockets import ACCEPT_QUEUE

logger = logging.getLogger("polyrpc.server")

_SECONDS_TO_BREAK_OFF = 1.0
# What callers send comes back in some answers; no browser shall take that for a page.
_DEFAULT_HEAD = "date: {}\r\nx-content-type-options: nosniff\r\n"


class HttpServer:
    """Serves an ASGI application on one listener.

    Args:
        app: The ASGI application; its lifespan is the caller's business.
        settings: The limits for clients.
        context: For TLS; None serves plain HTTP.
        takes_websocket: Told the ASGI scope of a WebSocket, whether its handshake is for the
            application to accept; None: it never is, and the request is one as any other.
        origins: Whose pages may read what the server itself refuses; None: those of no other.
    """

    def __init__(
        self,
        app: Any,
        settings: ServiceSettings,
        context: ssl.SSLContext | None = None,
        takes_websocket: Callable[[Mapping[str, Any]], bool] | None = None,
        origins: Origins | None = None,
    ) -> None:
        self._connections = Connections(
            app,
            Limits(
                read_timeout=settings.read_timeout_seconds,
                keep_alive=settings.http_keepalive_seconds,
                max_header_bytes=settings.max_header_bytes,
                max_age=settings.max_connection_age_seconds or float("inf"),
                max_message_bytes=settings.max_message_bytes,
            ),
            takes_websocket,
            origins,
        )
        self._make_protocol: Callable[..., asyncio.Protocol] = HttpProtocol
        if settings.http2:
            from .protocol_choice import ProtocolChoice  # Here: it needs the extra `http2`.

            self._make_protocol = ProtocolChoice
            self._connections.straight = getattr(app, "straight_answers", None)
        self._tls: dict[str, Any] = {}
        if context is not None:
            self._tls = {"ssl": context, "ssl_handshake_timeout": settings.read_timeout_seconds}
        self._listener: socket | None = None
        self._server: asyncio.Server | None = None
        self._clock: asyncio.TimerHandle | None = None
        self._out_of_descriptors = False
        self._latecomers: set[asyncio.Task[None]] = set()

    async def start(self, listener: socket) -> None:
        """Accepts connections from `listener`, which it closes when it stops."""
        listener.setblocking(False)
        self._listener = listener
        self._tick()
        # The event loop closes the socket it is given; what waits in the queue of another is
        # still to be had then.
        self._server = await asyncio.get_running_loop().create_server(
            self._protocol, sock=listener.dup(), backlog=ACCEPT_QUEUE, **self._tls
        )

    def drain(self) -> None:
        """Goes on serving, but asks clients to connect anew for their next request."""
        self._connections.draining = True

    async def stop(self, grace: float, *, shared: bool = False) -> None:
        """Accepts nothing more and waits for the calls in flight; it may be called again.

        Args:
            grace: Seconds after which they are cancelled.
            shared: Another process goes on accepting from the same socket.
        """
        await self._stop_accepting(shared=shared)
        self._connections.draining = self._connections.stopping = True
        for connection in list(self._connections.open):
            connection.finish()
        try:
            async with asyncio.timeout(grace):
                await self._wait_for_end()
        except TimeoutError:
            await self._break_off()
        if self._clock is not None:
            self._clock.cancel()

    def _protocol(self) -> asyncio.Protocol:
        return self._make_protocol(self._connections, asyncio.get_running_loop())

    async def _stop_accepting(self, *, shared: bool) -> None:
        if self._server is None or self._listener is None:
            return
        self._server.close()
        self._server = None
        with self._listener as listener:
            # These clients take their connections for established.
            for _ in range(0 if shared else ACCEPT_QUEUE):
                try:
                    connection, _ = listener.accept()
                except OSError:
                    break
                connection.setblocking(False)
                task = asyncio.get_running_loop().create_task(self._serve(connection))
                self._latecomers.add(task)
                task.add_done_callback(self._latecomers.discard)

    async def _serve(self, connection: socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(self._protocol, connection, **self._tls)
        except OSError as error:
            logger.debug("a client went away during its handshake: %s", error)

    async def _wait_for_end(self) -> None:
        loop = asyncio.get_running_loop()
        connections = self._connections
        handshakes_end = loop.time() + LINGER_SECONDS
        await _wait_while(
            lambda: (
                connections.open
                or connections.calls.tasks
                or self._latecomers
                # Failed ones stay in sight until they are collected as garbage.
                or (connections.unmade and loop.time() < handshakes_end)
            )
        )

    async def _break_off(self) -> None:
        tasks = list(self._connections.calls.tasks)
        if tasks:
            logger.warning("cancelling the HTTP calls that are still in flight: %d", len(tasks))
            for task in tasks:
                task.cancel(STOPPING.detail)
            await asyncio.wait(tasks, timeout=_SECONDS_TO_BREAK_OFF)
        for connection in list(self._connections.open):
            connection.transport.close()
        try:
            async with asyncio.timeout(_SECONDS_TO_BREAK_OFF):
                await _wait_while(lambda: self._connections.open)
        except TimeoutError:
            for connection in list(self._connections.open):
                connection.transport.abort()

    def _tick(self) -> None:
        self._connections.default_head = _DEFAULT_HEAD.format(formatdate(usegmt=True)).encode()
        self._check_descriptors()
        self._clock = asyncio.get_running_loop().call_later(1.0, self._tick)

    def _check_descriptors(self) -> None:
        """Says once that clients cannot be accepted: event loops do so with each, or not at all."""
        try:
            os.close(os.dup(2))
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE) and not self._out_of_descriptors:
                self._out_of_descriptors = True
                logger.error(
                    "no connection can be accepted: %s; raise the limit (ulimit -n), or send "
                    "fewer clients here",
                    error.strerror,
                )
        else:
            self._out_of_descriptors = False


async def _wait_while(condition: Callable[[], object]) -> None:
    while condition():  # noqa: ASYNC110 - sets tell nobody when they change
        await asyncio.sleep(0.02)

"""The running service: the application behind its listeners."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from socket import socket
from typing import Any, Self

from .app import create_app
from .framework.probes import admin_app
from .health import Health
from .lifespan import Lifespan
from .server.http_server import HttpServer
from .server.socket_filter import drop_new_connections
from .server.sockets import listen
from .settings import ServiceSettings

logger = logging.getLogger("polyrpc.service")

_SECONDS_TO_ACCEPT = 0.1


class Service:
    """Starts, drains and stops all listeners. As an asynchronous context manager it runs.

    Args:
        settings: Where to listen, and how to stop.
        http_listener: Already bound, and shared with other processes; None binds it.
        admin_listener: The same for `ADMIN_PORT`.

    Attributes:
        http_port: The port that HTTP listens on, once started.
        grpc_port: The port that gRPC listens on, once started.
        health: Where the application reports that a service of it cannot do its work.
        admin_port: The port of the probes' own listener, once started; None without one.

    Raises:
        SettingsError: The TLS files are no good.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        http_listener: socket | None = None,
        admin_listener: socket | None = None,
    ) -> None:
        self.http_port = settings.http_port
        self.grpc_port = settings.grpc_port
        self.admin_port = settings.admin_port
        self._settings = settings
        self._http_listener = http_listener
        self._admin_listener = admin_listener
        app: Any = create_app(settings)
        self.health: Health = app.state.health
        self._lifespan: Lifespan = app.state.lifespan
        self._http = HttpServer(app, settings, app.state.tls and app.state.tls.context)
        self._admin = (
            None
            if settings.admin_port is None
            else HttpServer(admin_app(self.health, app.state.metrics), settings)
        )

    async def start(self) -> None:
        """Starts gRPC, then reports health, then accepts HTTP.

        Raises:
            PortError: A port is taken; then no listener is left open.
        """
        settings = self._settings
        http = self._http_listener or listen(settings.http_host, settings.http_port, "HTTP")
        admin = self._admin_listener
        try:
            if admin is None and settings.admin_port is not None:
                admin = listen(settings.http_host, settings.admin_port, "probes")
            await self._lifespan.start()
        except BaseException:
            http.close()
            if admin is not None:
                admin.close()
            raise
        self.http_port = http.getsockname()[1]
        self.grpc_port = self._lifespan.grpc_port
        await self._http.start(http)
        if self._admin is not None and admin is not None:
            self.admin_port = admin.getsockname()[1]
            await self._admin.start(admin)

    async def drain(self) -> None:
        """Reports that it will not be there much longer, and goes on serving for a while."""
        logger.info("draining")
        self._lifespan.drain()
        self._http.drain()
        await asyncio.sleep(self._settings.drain_seconds)

    async def stop(self, grace: float | None = None, *, retire: bool = False) -> None:
        """Accepts nothing more and waits for the calls in flight; it may be called again.

        Args:
            grace: Seconds after which they are cancelled; None takes the settings'.
            retire: Other processes go on accepting from the same listeners.
        """
        logger.info("stopping")
        if grace is None:
            grace = self._settings.shutdown_grace_seconds
        if retire:
            drop_new_connections(self.grpc_port)
            await asyncio.sleep(_SECONDS_TO_ACCEPT)
        listeners = [self._http] if self._admin is None else [self._http, self._admin]
        await asyncio.gather(
            *(listener.stop(grace, shared=retire) for listener in listeners),
            self._lifespan.stop(grace),
        )

    async def end(self, impatience: Coroutine[Any, Any, object], *, retire: bool = False) -> None:
        """Drains and stops; once `impatience` has returned, stops at once.

        Args:
            impatience: Returns when there is no more time.
            retire: Other processes go on serving at the same ports: nobody needs a drain.
        """
        hurry = asyncio.create_task(impatience)
        ending = asyncio.create_task(self._drain_and_stop(retire=retire))
        await asyncio.wait({hurry, ending}, return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            ending.cancel()
            await self.stop(0.0)
        else:
            ending.result()
        hurry.cancel()

    async def _drain_and_stop(self, *, retire: bool) -> None:
        if not retire:
            await self.drain()
        await self.stop(retire=retire)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

"""A service behind its listeners: what one process starts, drains and stops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from functools import partial
from socket import socket
from typing import Any, Self

from ..framework.application import admin_app
from ..framework.routing import takes_websocket
from ..origins import Origins
from ..server.http_server import HttpServer
from ..server.socket_filter import drop_new_connections
from ..server.sockets import listen
from ..service import Service

logger = logging.getLogger("polyrpc.process")

_SECONDS_TO_ACCEPT = 0.1


class Server:
    """Starts, drains and stops all listeners. As an asynchronous context manager it runs.

    Args:
        app: The application of a `Service`.
        http_listener: Already bound, and shared with other processes; None binds it.
        admin_listener: The same for `ADMIN_PORT`.

    Attributes:
        service: The service.
        http_port: The port that HTTP listens on, once started.
        grpc_port: The port that gRPC is on, once started: HTTP's where it has none of its own.
        admin_port: The port of the probes' own listener, once started; None without one.

    Raises:
        TypeError: `app` is no application of a `Service`.
    """

    def __init__(
        self,
        app: Any,
        http_listener: socket | None = None,
        admin_listener: socket | None = None,
    ) -> None:
        service = self.service = Service.of(app)
        settings = self._settings = service.settings
        self.http_port = settings.http_port
        self.grpc_port = settings.grpc_port
        self.admin_port = settings.admin_port
        self._http_listener = http_listener
        self._admin_listener = admin_listener
        self._http = HttpServer(
            app,
            settings,
            service.tls.context if service.tls else None,
            partial(takes_websocket, app),
            Origins(settings.cors_allow_origins) if settings.cors_allow_origins else None,
        )
        self._admin = (
            None
            if settings.admin_port is None
            else HttpServer(admin_app(service.health, service.metrics), settings)
        )

    async def start(self) -> None:
        """Starts the service, then accepts HTTP, then starts the background tasks.

        Raises:
            PortError: A port is taken; then no listener is left open.
            Exception: Whatever the service's lifespan or a servicer's constructor raises.
        """
        settings = self._settings
        http = self._http_listener or listen(settings.http_host, settings.http_port, "HTTP")
        admin = self._admin_listener
        try:
            if admin is None and settings.admin_port is not None:
                admin = listen(settings.http_host, settings.admin_port, "probes")
            await self.service.start()
        except BaseException:
            http.close()
            if admin is not None:
                admin.close()
            raise
        self.http_port = http.getsockname()[1]
        self.grpc_port = self.service.grpc_port or self.http_port
        await self._http.start(http)
        if self._admin is not None and admin is not None:
            self.admin_port = admin.getsockname()[1]
            await self._admin.start(admin)
        self.service.begin()

    async def start_unless(self, stop: asyncio.Task[Any]) -> bool:
        """Starts, and breaks the start off when `stop` is done before: a lifespan may wait long.

        Returns:
            Whether it is started.

        Raises:
            Exception: Whatever `start` raises.
        """
        starting = asyncio.create_task(self.start())
        await asyncio.wait({starting, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            logger.info("stopping before the start has ended")
            starting.cancel()
            await asyncio.wait({starting}, timeout=self._settings.shutdown_grace_seconds)
        if starting.cancelled() or not starting.done():
            return False
        starting.result()
        return True

    async def drain(self) -> None:
        """Reports that it will not be there much longer, and goes on serving for a while."""
        logger.info("draining")
        self.service.drain()
        self._http.drain()
        await asyncio.sleep(self._settings.drain_seconds)

    async def stop(self, grace: float | None = None, *, retire: bool = False) -> None:
        """Accepts nothing more, waits for the calls in flight, and closes the service.

        It may be called again.

        Args:
            grace: Seconds after which calls are cancelled; None takes the settings'.
            retire: Other processes go on accepting from the same listeners.
        """
        logger.info("stopping")
        if grace is None:
            grace = self._settings.shutdown_grace_seconds
        # Clients come anew from workers that leave, those of a service that stops included; whom
        # gRPC accepts while it says goodbye, it tells that calls were cancelled.
        has_siblings = retire or (self._settings.workers > 1 and grace > 0)
        if has_siblings and self.service.grpc_port:
            drop_new_connections(self.service.grpc_port)
            await asyncio.sleep(_SECONDS_TO_ACCEPT)
        listeners = [self._http] if self._admin is None else [self._http, self._admin]
        await asyncio.gather(
            *(listener.stop(grace, shared=retire) for listener in listeners),
            self.service.stop(grace),
        )
        await self.service.close(grace)

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

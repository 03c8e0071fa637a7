"""The order in which the application's parts start and stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from . import ServiceGateway
from .health import Health
from .server.sockets import PortError
from .server.tls import Tls


class Lifespan:
    """The application's lifespan: it holds the gRPC server, within which HTTP is served.

    `Service` calls the steps one by one. Any other ASGI server, such as
    `uvicorn --factory`, takes them as the one context manager that the framework is given.

    Args:
        gateway: Whose gRPC server it starts and stops.
        health: Told when there is something to serve, and when that ends.
        tls: Whose files are watched for changes; None without TLS.
        shutdown_grace_seconds: How long calls in flight may take to finish.
    """

    def __init__(
        self,
        gateway: ServiceGateway,
        health: Health,
        tls: Tls | None,
        shutdown_grace_seconds: float,
    ) -> None:
        self._gateway = gateway
        self._health = health
        self._tls = tls
        self._shutdown_grace_seconds = shutdown_grace_seconds
        self._watch: asyncio.Task[None] | None = None

    @property
    def grpc_port(self) -> int:
        """The port that gRPC listens on while the lifespan lasts."""
        return self._gateway.bound_port or 0

    async def start(self) -> None:
        """Starts the gRPC server and then reports health.

        Raises:
            PortError: The gRPC port is taken.
        """
        try:
            await self._gateway.startup()
        except OSError as error:
            raise PortError(error.errno, error.strerror or str(error)) from None
        if self._tls is not None:
            self._watch = asyncio.create_task(self._tls.watch())
        self._health.start()

    def drain(self) -> None:
        """Asks load balancers, through health checks, to send no more calls."""
        self._health.drain()

    async def stop(self, grace: float | None = None) -> None:
        """Stops the gRPC server; calls in flight have `grace` (or the settings') seconds."""
        self._health.stop()
        if self._watch is not None:
            self._watch.cancel()
        await self._gateway.shutdown(self._shutdown_grace_seconds if grace is None else grace)

    @asynccontextmanager
    async def __call__(self, _app: Any) -> AsyncIterator[None]:
        """The ASGI lifespan, as the framework takes it."""
        await self.start()
        try:
            yield
        finally:
            await self.stop()

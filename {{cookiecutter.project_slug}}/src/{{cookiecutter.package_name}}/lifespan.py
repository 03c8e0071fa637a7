"""The order in which the application's parts start and stop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from .gateway import ServiceGateway
from .health import HealthService


class Lifespan:
    """The application's lifespan: it holds the gRPC server, within which HTTP is served.

    `Service` calls the steps one by one. Any other ASGI server, such as
    `uvicorn --factory`, takes them as the one context manager that Esmerald is given.

    Args:
        gateway: Whose gRPC server it starts and stops.
        health: Told when there is something to serve, and when that ends.
        shutdown_grace_seconds: How long calls in flight may take to finish.
    """

    def __init__(
        self, gateway: ServiceGateway, health: HealthService, shutdown_grace_seconds: float
    ) -> None:
        self._gateway = gateway
        self._health = health
        self._shutdown_grace_seconds = shutdown_grace_seconds

    @property
    def grpc_port(self) -> int:
        """The port that gRPC listens on while the lifespan lasts."""
        return self._gateway.bound_port or 0

    async def start(self) -> None:
        """Starts the gRPC server and then reports health.

        Raises:
            OSError: The gRPC port is taken.
        """
        await self._gateway.startup()
        await self._health.set_serving(True)

    async def refuse_new_work(self) -> None:
        """Asks load balancers, through health checks, to send no more calls."""
        await self._health.set_serving(False)

    async def stop(self, grace: float | None = None) -> None:
        """Stops the gRPC server; calls in flight have `grace` (or the settings') seconds."""
        await self.refuse_new_work()
        await self._gateway.shutdown(self._shutdown_grace_seconds if grace is None else grace)

    @asynccontextmanager
    async def __call__(self, _app: Any) -> AsyncIterator[None]:
        """The ASGI lifespan, as Esmerald takes it."""
        await self.start()
        try:
            yield
        finally:
            await self.stop()

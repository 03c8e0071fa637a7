"""Whether the service may be sent calls: one answer for gRPC health checks and `/readyz`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import aio
from grpc_health.v1.health_pb2 import HealthCheckResponse

SERVING = HealthCheckResponse.SERVING
NOT_SERVING = HealthCheckResponse.NOT_SERVING


class HealthService(aio.HealthServicer):
    """`grpc.health.v1.Health`: NOT_SERVING until the listeners are up, and while draining.

    Args:
        services: Full names of the services that clients may ask about, besides the whole server.
    """

    def __init__(self, services: Iterable[str]) -> None:
        super().__init__()
        self._services = ("", *services)
        self._serving = False

    @classmethod
    def __add_to_server__(cls, instance: Any, server: Any) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(instance, server)

    @property
    def serving(self) -> bool:
        """What `/readyz` answers."""
        return self._serving

    async def set_serving(self, serving: bool) -> None:
        """Tells all who ask from now on, and all who watch."""
        self._serving = serving
        for service in self._services:
            await self.set(service, SERVING if serving else NOT_SERVING)

"""Whether the service may be sent calls: one answer for gRPC health checks and `/readyz`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

SERVER = ""
"""What clients call the whole server when they ask for its health."""

_messages: Any = health_pb2  # The types of `List` are missing from its stubs.

Context = grpc.aio.ServicerContext[Any, Any]


class Health(health_pb2_grpc.HealthServicer):
    """`grpc.health.v1.Health`: NOT_SERVING until the listeners are up, and while draining.

    A servicer that depends on something is given this object in `app.py`, and calls
    `health.report("package.v1.Service", healthy=False)` while it cannot do its work; the whole
    server is healthy when all of its services are. All methods belong to the event loop's thread.

    Args:
        services: Full names of the services that clients may ask about, besides the whole server.
    """

    def __init__(self, services: Iterable[str]) -> None:
        self._healthy = dict.fromkeys(services, True)
        self._serving = False
        self._stopped = False
        self._changed = asyncio.Event()

    @classmethod
    def __add_to_server__(cls, instance: Any, server: Any) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(instance, server)

    @property
    def serving(self) -> bool:
        """What `/readyz` answers."""
        return self._serving and all(self._healthy.values())

    def report(self, service: str, *, healthy: bool) -> None:
        """Tells whether one of the services can do its work.

        Raises:
            KeyError: It is none of the services.
        """
        if self._healthy[service] is not healthy:
            self._healthy[service] = healthy
            self._notify()

    def start(self) -> None:
        """The listeners are up."""
        self._serving, self._stopped = True, False
        self._notify()

    def drain(self) -> None:
        """Calls are still answered, but should go elsewhere from now on."""
        self._serving = False
        self._notify()

    def stop(self) -> None:
        """Ends the watches, which would last as long as their clients like."""
        self._serving, self._stopped = False, True
        self._notify()

    async def Check(  # noqa: N802 - the RPC's name
        self, request: HealthCheckRequest, context: Context
    ) -> HealthCheckResponse:
        """Answers at once; NOT_FOUND for a service that is not here."""
        status = self._status(request.service)
        if status == HealthCheckResponse.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return HealthCheckResponse(status=status)

    async def List(  # noqa: N802 - the RPC's name
        self,
        request: Any,  # noqa: ARG002 - gRPC passes it
        context: Context,  # noqa: ARG002 - gRPC passes it
    ) -> Any:
        """Answers for the server and every service."""
        statuses = {
            name: HealthCheckResponse(status=self._status(name))
            for name in (SERVER, *self._healthy)
        }
        return _messages.HealthListResponse(statuses=statuses)

    async def Watch(  # noqa: N802 - the RPC's name
        self, request: HealthCheckRequest, context: Context
    ) -> AsyncIterator[HealthCheckResponse]:
        """Answers at once and after each change, until the server stops."""
        told = None
        while True:
            changed = self._changed
            status = self._status(request.service)
            if status != told:
                told = status
                yield HealthCheckResponse(status=status)
            if self._stopped:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "the server is stopping")
            await changed.wait()

    def _status(self, service: str) -> int:
        if service == SERVER:
            healthy = self.serving
        elif service in self._healthy:
            healthy = self._serving and self._healthy[service]
        else:
            return HealthCheckResponse.SERVICE_UNKNOWN
        return HealthCheckResponse.SERVING if healthy else HealthCheckResponse.NOT_SERVING

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

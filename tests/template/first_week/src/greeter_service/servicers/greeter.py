"""The Greeter service. Change this file first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Self

import grpc

from ..lifespan import Resources
from ..v1 import greeter_pb2 as pb
from ..v1 import greeter_pb2_grpc as pb_grpc

Context = grpc.aio.ServicerContext[Any, Any]
# How much of a stream is kept: without a limit, a caller could fill the memory.
MAX_GREETING = 10_000


class AbsentError(LookupError):
    """Whoever is to be greeted is not here."""


class GreeterService(pb_grpc.GreeterServicer):
    """Greets people. One instance answers the calls of both protocols, many at a time."""

    def __init__(self, resources: Resources) -> None:
        self._pool = resources.pool
        self._outbox = resources.outbox

    @classmethod
    def __add_to_server__(cls, instance: Self, server: grpc.aio.Server) -> None:
        pb_grpc.add_GreeterServicer_to_server(instance, server)

    async def SayHello(self, request: pb.SayHelloRequest, context: Context) -> pb.SayHelloResponse:
        if request.name == "error":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Invalid request")
        if await self._pool.fetchval("SELECT true FROM absences WHERE name = $1", request.name):
            raise AbsentError(f"{request.name} is not here")
        self._outbox.put(request.name)
        return pb.SayHelloResponse(message=f"Hello, {request.name}!")

    async def WatchGreetings(
        self, request: pb.WatchGreetingsRequest, context: Context
    ) -> AsyncIterator[pb.WatchGreetingsResponse]:
        for number in range(1, request.count + 1):
            yield pb.WatchGreetingsResponse(message=f"Hello, {request.name}! ({number})")

    async def CollectNames(
        self, request_iterator: AsyncIterator[pb.CollectNamesRequest], context: Context
    ) -> pb.CollectNamesResponse:
        names: list[str] = []
        room = MAX_GREETING
        async for request in request_iterator:
            room -= len(request.name) + len(", ")
            if room < 0:
                await context.abort(
                    grpc.StatusCode.RESOURCE_EXHAUSTED, f"more than {MAX_GREETING} characters"
                )
            names.append(request.name)
        return pb.CollectNamesResponse(message=f"Hello, {', '.join(names) or 'nobody'}!")

    async def Chat(
        self, request_iterator: AsyncIterator[pb.ChatRequest], context: Context
    ) -> AsyncIterator[pb.ChatResponse]:
        async for request in request_iterator:
            yield pb.ChatResponse(message=f"Hello, {request.name}!")

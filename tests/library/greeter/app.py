"""The application, and the application behind its listeners."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Self

import grpc
from greeter_service.v1 import greeter_pb2 as pb
from greeter_service.v1 import greeter_pb2_grpc as pb_grpc
from polyrpc import Service
from polyrpc.process.server import Server

from .settings import Settings

SERVICES = ["greeter_service.v1.Greeter"]
Context = grpc.aio.ServicerContext[Any, Any]


class GreeterService(pb_grpc.GreeterServicer):
    """Greets people."""

    @classmethod
    def __add_to_server__(cls, instance: Self, server: grpc.aio.Server) -> None:
        pb_grpc.add_GreeterServicer_to_server(instance, server)

    async def SayHello(self, request: pb.SayHelloRequest, context: Context) -> pb.SayHelloResponse:
        if request.name == "error":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Invalid request")
        return pb.SayHelloResponse(message=f"Hello, {request.name}!")

    async def WatchGreetings(
        self, request: pb.WatchGreetingsRequest, context: Context
    ) -> AsyncIterator[pb.WatchGreetingsResponse]:
        for number in range(1, request.count + 1):
            yield pb.WatchGreetingsResponse(message=f"Hello, {request.name}! ({number})")

    async def CollectNames(
        self, request_iterator: AsyncIterator[pb.CollectNamesRequest], context: Context
    ) -> pb.CollectNamesResponse:
        names = [request.name async for request in request_iterator]
        return pb.CollectNamesResponse(message=f"Hello, {', '.join(names) or 'nobody'}!")

    async def Chat(
        self, request_iterator: AsyncIterator[pb.ChatRequest], context: Context
    ) -> AsyncIterator[pb.ChatResponse]:
        async for request in request_iterator:
            yield pb.ChatResponse(message=f"Hello, {request.name}!")


def create_app(settings: Settings | None = None, **arguments: Any) -> Any:
    """Makes the application; `arguments` are further ones of `Service`."""
    arguments = {"servicers": [GreeterService], **arguments}
    return Service(settings or Settings(), package="greeter", **arguments).app


def serve(settings: Settings, **arguments: Any) -> Server:
    """The application behind its listeners, to be entered."""
    return Server(create_app(settings, **arguments))

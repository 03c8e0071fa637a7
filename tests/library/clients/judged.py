"""The service that the clients of others call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from importlib.resources import files
from pathlib import Path
from typing import Any

import grpc
from google import api
from google.rpc import status_pb2
from google.rpc.error_details_pb2 import ErrorInfo
from greeter.app import Context, GreeterService, serve
from greeter.settings import Settings
from greeter_service.v1 import greeter_pb2 as pb
from grpc_status import rpc_status
from grpc_tools import protoc
from polyrpc.process.server import Server

PROTOS = Path(__file__).parents[1] / "protos"
TOKEN = "the token"
DETAIL = ErrorInfo(reason="JUDGED", domain="example.com")


class JudgedService(GreeterService):
    """Greets people; some names stand for what a client may meet.

    Attributes:
        cancelled: How many callers have gone away from a call that would never have ended.
    """

    def __init__(self) -> None:
        self.cancelled = 0

    async def SayHello(self, request: pb.SayHelloRequest, context: Context) -> pb.SayHelloResponse:
        if request.name == "metadata":
            [seen] = [value for name, value in _metadata(context) if name == "x-judge"]
            await context.send_initial_metadata([("x-initial", seen), ("x-initial-bin", b"\0\xff")])
            context.set_trailing_metadata([("x-trailing", seen)])
        elif request.name == "details":
            status = status_pb2.Status(code=9, message="naïve: 100 %")
            status.details.add().Pack(DETAIL)
            await context.abort_with_status(rpc_status.to_status(status))
        elif request.name == "unexpected":
            raise RuntimeError("nobody's business")
        elif request.name == "slow":
            await asyncio.Event().wait()
        return await super().SayHello(request, context)

    async def WatchGreetings(
        self, request: pb.WatchGreetingsRequest, context: Context
    ) -> AsyncIterator[pb.WatchGreetingsResponse]:
        async for greeting in super().WatchGreetings(request, context):
            yield greeting
        if request.name == "failing":
            await context.abort(grpc.StatusCode.DATA_LOSS, "lost")
        if request.name == "endless":
            yield pb.WatchGreetingsResponse(message="Hello")
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled += 1


def _metadata(context: Context) -> Any:
    return context.invocation_metadata() or ()


def served(servicer: JudgedService, **settings: Any) -> AbstractAsyncContextManager[Server]:
    """The service behind its own listeners; callers show `TOKEN`."""
    values = {"http_port": 0, "grpc_port": 0, "auth_tokens": TOKEN, **settings}
    return serve(Settings(**values), servicers=[servicer])


def descriptor_set(output: Path) -> None:
    """Writes the service's protos, with all that they import, and `google.rpc.Status`."""
    includes = [PROTOS, files("grpc_tools") / "_proto", Path(next(iter(api.__path__))).parents[1]]
    status = protoc.main(
        [
            "protoc",
            *(f"-I{include}" for include in includes),
            f"--descriptor_set_out={output}",
            "--include_imports",
            "greeter_service/v1/greeter.proto",
            "google/rpc/status.proto",
        ]
    )
    assert status == 0

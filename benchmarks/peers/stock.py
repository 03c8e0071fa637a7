"""Esmerald's own `GrpcGateway`, with one fault mended: servicers get a message, not a `dict`."""

from __future__ import annotations

from typing import Any

from bench.v1 import bench_pb2 as pb
from esmerald import Esmerald
from esmerald.contrib.grpc.gateway import GrpcGateway
from esmerald.contrib.grpc.register import register_grpc_http_routes
from google.protobuf.json_format import ParseDict
from serve import serve
from servicer import BenchService


class MendedService(BenchService):
    async def Greet(self, request: Any, context: Any) -> Any:
        return await super().Greet(ParseDict(request, pb.GreetRequest()), context)

    async def Echo(self, request: Any, context: Any) -> Any:
        return await super().Echo(ParseDict(request, pb.Order()), context)


# Its routes are named after the servicer's class.
MendedService.__name__ = "BenchService"


async def app(scope: Any, receive: Any, send: Any) -> None:
    await _application()(scope, receive, send)


_made: list[Any] = []


def _application() -> Any:
    # The stock gateway makes its gRPC server at once, which needs the running event loop.
    if not _made:
        _made.append(Esmerald())
        gateway = GrpcGateway(path="/grpc", services=[MendedService], http_methods=["POST"])
        register_grpc_http_routes(_made[0], [gateway])
    return _made[0]


if __name__ == "__main__":
    serve(app)

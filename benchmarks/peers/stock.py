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


class Mended(BenchService):
    async def Greet(self, request: Any, context: Any) -> Any:
        return await super().Greet(ParseDict(request, pb.GreetRequest()), context)

    async def Echo(self, request: Any, context: Any) -> Any:
        return await super().Echo(ParseDict(request, pb.Order()), context)


# Its routes are named after the servicer's class.
Mended.__name__ = "BenchService"


def create_app() -> Esmerald:
    """Makes the application; the event loop runs by then, which the gateway's constructor needs."""
    app = Esmerald()
    gateway = GrpcGateway(path="/grpc", services=[Mended], http_methods=["POST"])
    register_grpc_http_routes(app, [gateway])
    return app


if __name__ == "__main__":
    serve(create_app, factory=True)

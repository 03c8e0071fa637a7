"""A service with an RPC that has no side effects."""

from __future__ import annotations

from typing import Any

from testing.v1 import safe_pb2_grpc as pb_grpc
from testing.v1 import testing_pb2 as pb


class SafeService(pb_grpc.SafeServicer):
    @classmethod
    def __add_to_server__(cls, instance: Any, server: Any) -> None:
        pb_grpc.add_SafeServicer_to_server(instance, server)

    async def Look(self, request: Any, context: Any) -> Any:
        context.set_trailing_metadata([("x-trailing", "1")])
        await context.send_initial_metadata([("cache-control", "max-age=60")])
        return pb.EchoResponse(text=request.text, index=request.count)

    Put = Look

"""The servicer of every peer; the generated service has it as `servicers/bench.py`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from bench.v1 import bench_pb2 as pb
from bench.v1 import bench_pb2_grpc as pb_grpc


class BenchService(pb_grpc.BenchServicer):
    """Does next to nothing, so that what is measured is the way to it and back."""

    @classmethod
    def __add_to_server__(cls, instance: Any, server: Any) -> None:
        pb_grpc.add_BenchServicer_to_server(instance, server)

    async def Greet(self, request: Any, context: Any) -> Any:
        return pb.GreetResponse(message=f"Hello, {request.name}!")

    async def Echo(self, request: Any, context: Any) -> Any:
        return request

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for number in range(request.count):
            if request.pause_ms and number:
                await asyncio.sleep(request.pause_ms / 1e3)
            yield pb.WatchResponse(message=f"Hello, {request.name}! ({number})")

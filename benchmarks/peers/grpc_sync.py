"""A bare `grpc` server with threads, as gRPC's own examples make it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
from bench.v1 import bench_pb2 as pb
from bench.v1 import bench_pb2_grpc as pb_grpc


class BenchService(pb_grpc.BenchServicer):
    """What `servicer.py` does, in plain functions."""

    def Greet(self, request: Any, context: Any) -> Any:
        return pb.GreetResponse(message=f"Hello, {request.name}!")

    def Echo(self, request: Any, context: Any) -> Any:
        return request

    def Watch(self, request: Any, context: Any) -> Iterator[Any]:
        for number in range(request.count):
            yield pb.WatchResponse(message=f"Hello, {request.name}! ({number})")


if __name__ == "__main__":
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=10))
    pb_grpc.add_BenchServicer_to_server(BenchService(), server)
    server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    server.start()
    server.wait_for_termination()

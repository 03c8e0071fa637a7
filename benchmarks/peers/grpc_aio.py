"""A bare `grpc.aio` server, on asyncio's event loop or, with the argument `uvloop`, on uvloop."""

from __future__ import annotations

import asyncio
import sys

import grpc
from bench.v1 import bench_pb2_grpc as pb_grpc
from servicer import BenchService


async def main() -> None:
    server = grpc.aio.server()
    pb_grpc.add_BenchServicer_to_server(BenchService(), server)
    server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    if sys.argv[2:] == ["uvloop"]:
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())

"""pygrpc-native: the servicer of everyone, on a server whose HTTP/2 is in Rust; on uvloop."""

from __future__ import annotations

import sys

import pygrpc_native.aio
import uvloop
from bench.v1 import bench_pb2_grpc as pb_grpc
from servicer import BenchService


async def main() -> None:
    server = pygrpc_native.aio.server()
    pb_grpc.add_BenchServicer_to_server(BenchService(), server)
    server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main())

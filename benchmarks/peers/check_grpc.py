"""Calls every RPC of gRPC servers with gRPC's own client, which must find every answer right.

Arguments: the folder of the requests, and the servers' ports. Exit status 1 and one line if not.
"""

from __future__ import annotations

import sys
from pathlib import Path

import grpc
from bench.v1 import bench_pb2 as pb
from bench.v1 import bench_pb2_grpc as pb_grpc
from google.protobuf import json_format

COUNT = 3


def check(port: str, requests: Path) -> None:
    """Calls them.

    Raises:
        ValueError: An answer is not the one that is due.
        grpc.RpcError: A call failed.
    """
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = pb_grpc.BenchStub(channel)
        greeting = stub.Greet(pb.GreetRequest(name="World"), timeout=10)
        if greeting.message != "Hello, World!":
            raise ValueError(f"Greet answers {greeting}")
        for name in ("1kb", "1000items"):
            order = json_format.Parse((requests / f"{name}.json").read_bytes(), pb.Order())
            if stub.Echo(order, timeout=10) != order:
                raise ValueError(f"Echo answers something else to {name}")
        watched = stub.Watch(pb.WatchRequest(name="World", count=COUNT), timeout=10)
        messages = [response.message for response in watched]
        if messages != [f"Hello, World! ({number})" for number in range(COUNT)]:
            raise ValueError(f"Watch answers {messages}")


if __name__ == "__main__":
    for port in sys.argv[2:]:
        try:
            check(port, Path(sys.argv[1]))
        except (ValueError, grpc.RpcError) as error:
            sys.exit(f"port {port}: {error}")

"""Measures when the first message of a stream arrives, over HTTP and over native gRPC.

Arguments: `http` or `grpc`, and the port. Writes a line for each stream: microseconds from the
request to the first message, and to the second, which the servicer sends `PAUSE_MS` later.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from collections.abc import Iterator

import grpc
from bench.v1 import bench_pb2 as pb
from bench.v1 import bench_pb2_grpc as pb_grpc

STREAMS = 40
PAUSE_MS = 20


def over_http(port: int) -> Iterator[tuple[float, float]]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    body = json.dumps({"name": "World", "count": 2, "pauseMs": PAUSE_MS})
    headers = {"content-type": "application/json", "accept": "application/x-ndjson"}
    for _ in range(STREAMS):
        begin = time.perf_counter()
        connection.request("POST", "/grpc/benchservice/watch", body, headers)
        response = connection.getresponse()
        response.readline()
        first = time.perf_counter()
        response.readline()
        yield first - begin, time.perf_counter() - begin
        response.read()


def over_grpc(port: int) -> Iterator[tuple[float, float]]:
    request = pb.WatchRequest(name="World", count=2, pause_ms=PAUSE_MS)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = pb_grpc.BenchStub(channel)
        for _ in range(STREAMS):
            begin = time.perf_counter()
            responses = iter(stub.Watch(request))
            next(responses)
            first = time.perf_counter()
            next(responses)
            yield first - begin, time.perf_counter() - begin
            next(responses, None)


if __name__ == "__main__":
    measure = over_http if sys.argv[1] == "http" else over_grpc
    for first, second in measure(int(sys.argv[2])):
        print(round(first * 1e6), round(second * 1e6))

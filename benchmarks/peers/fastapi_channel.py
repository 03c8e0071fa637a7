"""FastAPI with a handler for each RPC that calls a gRPC server in the same process by loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from bench.v1 import bench_pb2 as pb
from bench.v1 import bench_pb2_grpc as pb_grpc
from fastapi import FastAPI, Request, Response
from fastapi_direct import json_response
from google.protobuf import json_format
from serve import serve
from servicer import BenchService

stubs: list[Any] = []


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    server = grpc.aio.server()
    pb_grpc.add_BenchServicer_to_server(BenchService(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stubs.append(pb_grpc.BenchStub(channel))
        yield
    await server.stop(None)


app = FastAPI(lifespan=lifespan)


@app.post("/grpc/benchservice/greet")
async def greet(request: Request) -> Response:
    message = json_format.Parse(await request.body(), pb.GreetRequest())
    return json_response(await stubs[0].Greet(message))


@app.post("/grpc/benchservice/echo")
async def echo(request: Request) -> Response:
    message = json_format.Parse(await request.body(), pb.Order())
    return json_response(await stubs[0].Echo(message))


if __name__ == "__main__":
    serve(app)

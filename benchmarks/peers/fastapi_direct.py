"""FastAPI with a handler for each RPC that calls the servicer, and `json_format` for the JSON."""

from __future__ import annotations

from typing import Any

from bench.v1 import bench_pb2 as pb
from fastapi import FastAPI, Request, Response
from google.protobuf import json_format
from serve import serve
from servicer import BenchService

app = FastAPI()
servicer = BenchService()


def json_response(message: Any) -> Response:
    text = json_format.MessageToJson(
        message, indent=None, always_print_fields_with_no_presence=True
    )
    return Response(text, media_type="application/json")


@app.post("/grpc/benchservice/greet")
async def greet(request: Request) -> Response:
    message = json_format.Parse(await request.body(), pb.GreetRequest())
    return json_response(await servicer.Greet(message, None))


@app.post("/grpc/benchservice/echo")
async def echo(request: Request) -> Response:
    message = json_format.Parse(await request.body(), pb.Order())
    return json_response(await servicer.Echo(message, None))


if __name__ == "__main__":
    serve(app)

"""gRPC by hand, as an ASGI application on stock uvicorn with HTTP/2: no deadlines, no errors.

What a call needs by https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md and no more:
it stands for what the server alone costs.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from bench.v1 import bench_pb2 as pb
from serve import serve
from servicer import BenchService

servicer = BenchService()
UNARY: dict[str, tuple[Callable[[bytes], Any], Callable[..., Any]]] = {
    "/bench.v1.Bench/Greet": (pb.GreetRequest.FromString, servicer.Greet),
    "/bench.v1.Bench/Echo": (pb.Order.FromString, servicer.Echo),
}
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/grpc")],
    "trailers": True,
}
OK = {"type": "http.response.trailers", "headers": [(b"grpc-status", b"0")]}


def framed(message: Any) -> bytes:
    wire: bytes = message.SerializeToString()
    return struct.pack(">BI", 0, len(wire)) + wire


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body = b""
    more = True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    wire = body[5:]
    if found := UNARY.get(scope["path"]):
        parse, rpc = found
        answer = framed(await rpc(parse(wire), None))
        await send(START)
        await send({"type": "http.response.body", "body": answer})
    else:
        await send(START)
        async for message in servicer.Watch(pb.WatchRequest.FromString(wire), None):
            part = {"type": "http.response.body", "body": framed(message), "more_body": True}
            await send(part)
        await send({"type": "http.response.body"})
    await send(OK)


if __name__ == "__main__":
    serve(app, http2=True)

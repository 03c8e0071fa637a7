"""Writes the requests in the forms that the load generator sends, and how long the answers are.

Argument: a folder. For each `NAME.json` in it there will be `NAME.grpc`, the same message framed
for gRPC (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), and `NAME.length`, the
bytes of its framed answer.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from pathlib import Path
from typing import Any

from bench.v1 import bench_pb2 as pb
from google.protobuf import json_format
from servicer import BenchService


def framed(message: Any) -> bytes:
    wire: bytes = message.SerializeToString()
    return struct.pack(">BI", 0, len(wire)) + wire


async def answer(name: str, request: Any) -> bytes:
    service = BenchService()
    if name == "small":
        return framed(await service.Greet(request, None))
    if name == "stream":
        return b"".join([framed(message) async for message in service.Watch(request, None)])
    return framed(await service.Echo(request, None))


def main(folder: Path) -> None:
    types: dict[str, Any] = {"small": pb.GreetRequest, "stream": pb.WatchRequest}
    for file in folder.glob("*.json"):
        request = json_format.Parse(file.read_bytes(), types.get(file.stem, pb.Order)())
        file.with_suffix(".grpc").write_bytes(framed(request))
        length = len(asyncio.run(answer(file.stem, request)))
        file.with_suffix(".length").write_text(str(length))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

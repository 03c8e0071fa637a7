"""What gRPC itself logs."""

from __future__ import annotations

import asyncio
import logging

import pytest
from polyrpc.logs import without_metadata
from polyrpc.process.server import Server

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
HEADERS = {
    b":method": b"POST",
    b":scheme": b"http",
    b":path": b"/no.such.Service/Rpc",
    b":authority": b"a",
    b"te": b"trailers",
    b"content-type": b"application/grpc",
    b"x-secret": b"hunter2\xff",
}


async def test_values_of_metadata_are_not_logged(
    service: Server, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("grpc._cython.cygrpc").addFilter(without_metadata)
    block = b"".join(
        b"\0%c%b%c%b" % (len(name), name, len(value), value) for name, value in HEADERS.items()
    )
    frame = len(block).to_bytes(3, "big") + b"\1\5\0\0\0\1" + block
    reader, writer = await asyncio.open_connection("127.0.0.1", service.grpc_port)
    writer.write(PREFACE + frame)
    async with asyncio.timeout(20):
        await reader.readuntil(b"grpc-status")
    writer.close()
    await writer.wait_closed()
    assert "A value of metadata is not UTF-8" in caplog.text
    assert "hunter2" not in caplog.text

"""A client that goes away ends its call, although the handler has left the rest of it unread."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from http2_wire import CANCEL, RST_STREAM, frame, http2, number
from polyrpc.calls.incoming import READ_AHEAD_BYTES
from protocol_clients import envelope
from serving import EchoService, Served, gateway_of, serving
from testing.v1 import testing_pb2 as pb
from wire import serving as http_server

PATH = "/testing.v1.Echo/ClientStream"
FIRST, NEXT = (
    envelope(pb.EchoRequest(text="x" * size).SerializeToString())
    for size in (1, READ_AHEAD_BYTES * 3 // 2)
)


class Deaf(EchoService):
    """Reads one message, and waits for good."""

    def __init__(self) -> None:
        self.entered, self.cancelled = asyncio.Event(), asyncio.Event()

    async def ClientStream(self, request_iterator: Any, context: Any) -> Any:
        await anext(request_iterator)
        self.entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            assert context.cancelled()
            self.cancelled.set()
            raise


async def leave_http1(served: Served, service: Deaf) -> None:
    async with http_server(served.app) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST %b HTTP/1.1\r\nhost: a\r\ncontent-type: application/connect+proto\r\n"
            b"transfer-encoding: chunked\r\n\r\n" % PATH.encode()
        )
        for message in (FIRST, NEXT):
            writer.write(b"%x\r\n%b\r\n" % (len(message), message))
        await service.entered.wait()
        writer.transport.abort()
        await service.cancelled.wait()


async def leave_http2(served: Served, service: Deaf) -> None:
    await _leave_http2(served, service, by_reset=False)


async def reset_http2(served: Served, service: Deaf) -> None:
    await _leave_http2(served, service, by_reset=True)


async def _leave_http2(served: Served, service: Deaf, *, by_reset: bool) -> None:
    async with http_server(served.app, http2=True) as port, http2(port) as client:
        stream = client.ask(
            PATH, ("content-type", "application/grpc"), ("te", "trailers"), end=False
        )
        body = FIRST + NEXT
        for start in range(0, len(body), 16_384):
            client.data(stream, body[start : start + 16_384])
            await client.ping()  # By then it has been taken, and there is room for more.
        await service.entered.wait()
        if by_reset:
            client.send(frame(RST_STREAM, 0, stream, number(CANCEL)))
        else:
            client.writer.transport.abort()
        await service.cancelled.wait()


@pytest.mark.parametrize("leave", [leave_http1, leave_http2, reset_http2])
async def test_a_disconnect_ends_a_call_that_reads_no_more(leave: Any) -> None:
    service = Deaf()
    async with asyncio.timeout(30), serving(gateway_of(service)) as served:
        await leave(served, service)

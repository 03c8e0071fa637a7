"""Frames of all kinds in any order: a connection goes on, or ends with an error code."""

from __future__ import annotations

import asyncio
from typing import Any

from hpack import Encoder
from http2_wire import frame
from hypothesis import given
from hypothesis import strategies as st
from polyrpc.server.connections import Connections, Limits
from polyrpc.server.http2_protocol import Http2Protocol

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4)
names = st.sampled_from(
    [
        *(":method", ":path", ":scheme", ":authority", ":protocol", "host", "te", "cookie"),
        *("expect", "content-length", "connection", "x", "X", "", "a b"),
    ]
)
values = st.sampled_from(
    [
        *("GET", "POST", "CONNECT", "/", "*", "http", "a", "", "trailers", "100-continue"),
        *("0", "5", "9" * 30, "-1", "9" * 5000, "é", "a\r\nb", "/%zz?#", "ok, no"),
    ]
) | st.text(max_size=20)
fields = st.lists(st.tuples(names, values), max_size=8)
whole = st.tuples(fields, st.sampled_from(["/", "/a?b", "*"])).map(
    lambda one: [(":method", "POST"), (":scheme", "http"), (":path", one[1]), *one[0]]
)
blocks = (fields | whole).map(lambda one: bytes(Encoder().encode(one))) | st.binary(max_size=40)
flags = st.sampled_from([0, 1, 4, 5, 0x0D, 0x25, 0x2D]) | st.integers(0, 255)
streams = st.sampled_from([0, 1, 2, 3, 5, 7, 9]) | st.integers(0, 2**32 - 1)
frames = st.one_of(
    st.tuples(st.just(1), flags, streams, blocks),
    st.tuples(st.just(9), flags, streams, blocks),
    st.tuples(st.integers(0, 10), flags, streams, st.binary(max_size=40)),
    st.tuples(st.just(0), flags, streams, st.sampled_from([16_383, 16_384]).map(bytes)),
    st.tuples(st.just(8), st.just(0), streams, st.sampled_from([b"\0\0\0\1", b"\x7f\xff\xff\xff"])),
)


class Transport:
    """Takes all that is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def get_extra_info(self, _name: str) -> None:
        return None

    def write(self, data: bytes) -> None:
        self.written += data

    def can_write_eof(self) -> bool:
        return False

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True

    def get_write_buffer_size(self) -> int:
        return 0

    pause_reading = resume_reading = close = abort


async def app(scope: Any, receive: Any, send: Any) -> None:
    assert scope["method"].isupper() or scope["method"]
    event = await receive()
    while event.get("more_body"):
        event = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"answer"})


@given(st.lists(frames, max_size=12), st.integers(1, 60))
def test_no_frames_lead_to_an_error_of_the_server(
    sent: list[tuple[int, int, int, bytes]], size: int
) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        failures: list[Any] = []
        loop.set_exception_handler(lambda _, context: failures.append(context))
        connections = Connections(app, Limits(20, 75, 16_384, 300, 4_000_000))
        protocol = Http2Protocol(connections, loop)
        transport: Any = Transport()
        protocol.connection_made(transport)
        protocol.data_received(PREFACE)
        data = b"".join(frame(*one) for one in sent)
        # What has long frames takes too long in small pieces.
        step = size if len(data) < 4_000 else size * 500
        for start in range(0, len(data), step):
            protocol.data_received(data[start : start + step])
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        protocol.connection_lost(None)
        await asyncio.wait_for(asyncio.gather(*connections.calls.tasks), 5)
        assert not failures
        assert transport.written.startswith(b"\0\0\x12\x04")

    asyncio.run(run())

"""Long bodies over HTTP/2: DATA frames that are taken for one, and such as leave without a copy."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from applications import answer, body_of, echo
from hpack import Encoder
from http2_wire import (
    DATA,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PROTOCOL_ERROR,
    SETTINGS,
    WINDOW,
    frame,
    http2,
)
from hypothesis import given
from hypothesis import strategies as st
from polyrpc.server.connections import Connections, Limits
from polyrpc.server.http2_frames import (
    FRAME_HEADER,
    MAX_FRAME_BYTES,
    data_frames,
    joined_data,
    long_response_frames,
)
from polyrpc.server.http2_protocol import Http2Protocol
from wire import Transport, serving, turns

STREAM_WINDOW = 256 * 1024
FULL = bytes(MAX_FRAME_BYTES)

kinds = st.sampled_from([DATA, DATA, DATA, PING, HEADERS])
flags = st.sampled_from([0, 0, 0, END_STREAM, PADDED])
streams = st.sampled_from([1, 1, 1, 3])
sizes = st.sampled_from([0, 1, 100, MAX_FRAME_BYTES, MAX_FRAME_BYTES])


@given(st.lists(st.tuples(kinds, flags, streams, sizes), max_size=8), st.integers(0, 20_000))
def test_frames_that_are_taken_for_one_say_what_they_say_one_by_one(
    frames: list[tuple[int, int, int, int]], missing: int
) -> None:
    bodies = [bytes([number + 1]) * size for number, (*_, size) in enumerate(frames)]
    rest = b"".join(
        frame(kind, flag, stream, body)
        for (kind, flag, stream, _), body in zip(frames, bodies, strict=True)
    )
    data = b"before" + frame(DATA, 0, 1, FULL) + rest[: max(0, len(rest) - missing)]
    start = len(b"before") + FRAME_HEADER.size

    flag_seen, payload, position = joined_data(data, start, 1)

    expected, at, ended = FULL, start + len(FULL), 0
    for (kind, flag, stream, size), body in zip(frames, bodies, strict=True):
        stop = at + FRAME_HEADER.size + size
        plain = kind == DATA and stream == 1 and size and flag in (0, END_STREAM)
        if ended or not plain or stop > len(data):
            break
        expected, at, ended = expected + body, stop, flag
    assert (flag_seen, payload, position) == (ended, expected, at)


async def counting(_scope: Any, receive: Any, send: Any) -> None:
    body = await body_of(receive)
    counted = sorted({(one, body.count(one)) for one in body})
    await answer(send, repr(counted).encode())


def counted(*parts: bytes) -> bytes:
    body = b"".join(parts)
    return repr(sorted({(one, body.count(one)) for one in body})).encode()


async def test_bodies_of_several_streams_stay_apart() -> None:
    async with serving(counting, http2=True) as port, http2(port) as client:
        await client.ping()
        sent: list[bytes] = []
        send, client.send = client.send, sent.append  # type: ignore[method-assign] # for this once
        one, other = client.ask(end=False), client.ask(end=False)
        client.data(one, b"a" * MAX_FRAME_BYTES)
        client.data(one, b"b" * MAX_FRAME_BYTES)
        client.data(other, b"c" * MAX_FRAME_BYTES)
        client.send(frame(DATA, PADDED, other, b"\x05" + b"d" * 100 + bytes(5)))
        client.data(one, b"e" * 100, end=True)
        client.data(other, b"f" * MAX_FRAME_BYTES)
        client.data(other, end=True)
        client.send = send  # type: ignore[method-assign] # as it was
        client.send(b"".join(sent))
        full = MAX_FRAME_BYTES
        assert (await client.response(one)).body == counted(b"a" * full, b"b" * full, b"e" * 100)
        got = await client.response(other)
        assert got.body == counted(b"c" * full, b"d" * 100, b"f" * full)


@pytest.mark.parametrize(
    ("length", "frames", "code"),
    [
        (3 * MAX_FRAME_BYTES - 1, 3, PROTOCOL_ERROR),
        (3 * MAX_FRAME_BYTES + 1, 3, PROTOCOL_ERROR),
        (None, STREAM_WINDOW // MAX_FRAME_BYTES + 1, FLOW_CONTROL_ERROR),
    ],
    ids=["longer than declared", "shorter", "more than the window"],
)
async def test_a_fault_in_one_of_them_is_its_streams_alone(
    length: int | None, frames: int, code: int
) -> None:
    fields = [] if length is None else [("content-length", str(length))]
    async with serving(echo, http2=True) as port, http2(port) as client:
        client.last += 2
        block = client.headers("/echo", *fields)
        parts = [frame(DATA, 0, client.last, FULL)] * (frames - 1)
        last = frame(DATA, END_STREAM, client.last, FULL)
        head = frame(HEADERS, END_HEADERS, client.last, block)
        client.send(b"".join([head, *parts, last]))
        assert (await client.response(client.last)).reset == code
        assert (await client.response(client.ask(body=b"next"))).told["body"] == "next"


async def test_a_long_answer_arrives_whole() -> None:
    body = b"".join(b"%08d" % number for number in range(100_000))

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await answer(send, body)

    async with serving(app, http2=True) as port, http2(port) as client:
        client.give(0, 2**24)
        stream = client.ask(end=False)
        client.give(stream, 2**24)
        client.data(stream, end=True)
        got = await client.response(stream)
        flags_seen = [one.flags for one in client.frames(DATA, stream)]
    assert got.body == body
    assert flags_seen == [0] * (len(flags_seen) - 1) + [END_STREAM]


def frames_of(data: bytes) -> list[tuple[int, int, int, bytes]]:
    """Takes frames apart: kind, flags, stream and payload of each."""
    found = []
    while data:
        high, low, kind, flags, stream = FRAME_HEADER.unpack_from(data)
        stop = FRAME_HEADER.size + (high << 8 | low)
        found.append((kind, flags, stream, data[FRAME_HEADER.size : stop]))
        data = data[stop:]
    return found


@given(
    st.integers(1, 50), st.integers(0, 10), st.integers(0, 10), st.integers(1, 20), st.booleans()
)
def test_a_slice_of_a_body_is_in_frames_as_long_as_can_be(
    size: int, before: int, after: int, most: int, end: bool
) -> None:
    body = bytes(range(before + size + after))
    parts = data_frames(7, body, before, before + size, most, end=end)
    found = frames_of(b"".join(parts))
    assert b"".join(payload for *_, payload in found) == body[before : before + size]
    *others, last = found
    assert all(one[:3] == (DATA, 0, 7) and len(one[3]) == most for one in others)
    assert last[:3] == (DATA, END_STREAM if end else 0, 7)
    assert 0 < len(last[3]) <= most


@pytest.mark.parametrize("trailers", [None, b"last"])
def test_a_long_response_ends_with_its_last_frame(trailers: bytes | None) -> None:
    found = frames_of(b"".join(long_response_frames(7, b"first", b"abcde", trailers, 4)))
    end = END_STREAM if trailers is None else 0
    expected = [(HEADERS, END_HEADERS, 7, b"first"), (DATA, 0, 7, b"abcd"), (DATA, end, 7, b"e")]
    if trailers is not None:
        expected.append((HEADERS, END_HEADERS | END_STREAM, 7, trailers))
    assert found == expected


def connected_to(app: Any) -> tuple[Http2Protocol, Transport]:
    """A connection whose client takes all that there is."""
    transport = Transport()
    connections = Connections(app, Limits(20, 75, 16_384, 300, 4_000_000))
    protocol = Http2Protocol(connections, asyncio.get_running_loop())
    protocol.connection_made(transport)
    much = (2**30).to_bytes(4, "big")
    windows = frame(SETTINGS, payload=b"\0\x04" + much) + frame(WINDOW, payload=much)
    protocol.data_received(PREFACE + windows)
    return protocol, transport


def long_request(body: bytes) -> list[bytes]:
    """Its frames."""
    names = {":method": "POST", ":scheme": "http", ":path": "/", ":authority": "a"}
    block = Encoder().encode([*names.items(), ("content-length", str(len(body)))])
    starts = range(0, len(body), MAX_FRAME_BYTES)
    parts = [body[start : start + MAX_FRAME_BYTES] for start in starts]
    return [
        frame(HEADERS, END_HEADERS, 1, block),
        *(frame(DATA, 0, 1, part) for part in parts[:-1]),
        frame(DATA, END_STREAM, 1, parts[-1]),
    ]


@pytest.mark.parametrize("cut", [-1, 1, 3])
async def test_a_request_is_whole_whose_rest_comes_in_the_next_turn(cut: int) -> None:
    events: list[Any] = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        events.append(await receive())
        await answer(send, b"done")

    protocol, transport = connected_to(app)
    frames = long_request(bytes(100_000))
    protocol.data_received(b"".join(frames[:cut]))
    await turns(1)
    protocol.data_received(b"".join(frames[cut:]))
    await turns(3)
    assert [(len(event["body"]), event["more_body"]) for event in events] == [(100_000, False)]
    assert b"done" in transport.writes[-1]
    protocol.connection_lost(None)


async def test_a_request_whose_rest_does_not_come_begins_all_the_same() -> None:
    events: list[Any] = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        events.append(await receive())
        await answer(send, b"early")

    protocol, transport = connected_to(app)
    protocol.data_received(b"".join(long_request(bytes(100_000))[:3]))
    await turns(4)
    assert [(len(event["body"]), event["more_body"]) for event in events] == [(32_768, True)]
    assert b"early" in transport.writes[-1]
    protocol.connection_lost(None)


async def test_a_long_answer_is_one_write() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await answer(send, bytes(200_000))

    protocol, transport = connected_to(app)
    protocol.data_received(b"".join(long_request(b"a")))
    await turns(4)
    assert len([one for one in transport.writes if len(one) > 1000]) == 1
    assert len(transport.writes[-1]) > 200_000
    protocol.connection_lost(None)

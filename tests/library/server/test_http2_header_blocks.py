"""Headers that are not read again mean what they would if they were (RFC 7541)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hpack import Encoder, HeaderTuple, NeverIndexedHeaderTuple
from hypothesis import given
from hypothesis import strategies as st
from polyrpc.server.http2_frames import END_HEADERS, END_STREAM
from polyrpc.server.http2_header_blocks import HeaderBlocks, changes_table

PSEUDO = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/a"), (b":authority", b"h")]
NAMES = st.sampled_from([b"accept", b"grpc-timeout", b"content-type", b"x-of-a-team", b"x"])
VALUES = st.sampled_from([b"trailers", b"1S", b"application/grpc", b"", b"v" * 200, b"w" * 3000])
FIELDS = st.lists(st.tuples(NAMES, VALUES, st.booleans()), max_size=6)


def blocks() -> HeaderBlocks:
    return HeaderBlocks(lambda: 0.0, lambda _size, _then: None, 65_536)


def read(reader: HeaderBlocks, block: bytes) -> Any:
    assert reader.begin(END_HEADERS | END_STREAM, 1, block) == block
    return reader.request(block)


@given(st.lists(FIELDS, min_size=1, max_size=12), st.booleans(), st.randoms())
def test_whatever_comes_in_whatever_order(requests: list[Any], huffman: bool, random: Any) -> None:
    encoder, reader = Encoder(), blocks()
    for _ in range(3):
        for fields in random.sample(requests, len(requests)):
            headers = [*map(HeaderTuple, *zip(*PSEUDO, strict=True))]
            headers += [
                (NeverIndexedHeaderTuple if is_secret else HeaderTuple)(name, value)
                for name, value, is_secret in fields
            ]
            block = encoder.encode(headers, huffman=huffman)
            request = read(reader, block)
            expected = [(name, value) for name, value, _ in fields]
            assert [header for header in request.headers if header[0] != b"host"] == (expected)


def sensitive(encoder: Encoder) -> bytes:
    return encoder.encode([NeverIndexedHeaderTuple(b"x-secret", b"value")])


def new(encoder: Encoder) -> bytes:
    return encoder.encode([HeaderTuple(b"x-new", b"value")])


def known(encoder: Encoder) -> bytes:
    new(encoder)
    return new(encoder)


def smaller_table(encoder: Encoder) -> bytes:
    encoder.header_table_size = 100
    return new(encoder)


@pytest.mark.parametrize(
    ("encode", "changes"),
    [(sensitive, False), (new, True), (known, False), (smaller_table, True)],
)
def test_what_changes_the_table(encode: Callable[[Encoder], bytes], changes: bool) -> None:
    assert changes_table(encode(Encoder())) is changes


@pytest.mark.parametrize(
    "block", [b"\x00\x05abc", b"\x0f", b"\x0f\xff\xff", b"\xff\x80", b"\x00\x7f\xff"]
)
def test_what_is_cut_short_is_taken_for_a_change(block: bytes) -> None:
    assert changes_table(block)


def test_requests_that_say_the_same_are_read_once() -> None:
    encoder, reader = Encoder(), blocks()
    headers = [*PSEUDO, (b"te", b"trailers")]
    first, *others = [read(reader, encoder.encode(headers)) for _ in range(5)]
    assert len({id(request) for request in others[1:]}) == 1
    assert (first.scope, first.headers) == (others[-1].scope, others[-1].headers)
    # What puts something into the table makes the old block mean something else.
    read(reader, encoder.encode([*PSEUDO, (b"x-new", b"1")]))
    assert (b"te", b"trailers") in read(reader, encoder.encode(headers)).headers


def test_a_client_cannot_have_much_remembered() -> None:
    reader = blocks()
    for number in range(1000):
        field = b"\x00\x01x\x04%04d" % number
        block = b"\x83\x86\x84\x01\x01h" + field
        for _ in range(3):
            read(reader, block)
    assert len(reader._known) <= 16
    assert len(reader._seen) <= 16

"""The splitting of streamed request bodies into messages."""

from __future__ import annotations

import json
import re
import tracemalloc
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from polyrpc.http.framing import MAX_DEPTH, JsonArrayFrames, NdjsonFrames
from polyrpc.protojson import JsonError
from polyrpc.rpc.status import CallError

Frames = type[NdjsonFrames] | type[JsonArrayFrames]

LIMIT = 1 << 20
BOTH = pytest.mark.parametrize("frames", [NdjsonFrames, JsonArrayFrames])

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.text('"\\{}[],:/\u00e9\u20ac\U0001f600\n'),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=30,
)
json_soup = st.lists(
    st.sampled_from(
        [
            *(bytes([byte]) for byte in b'[]{},:"\\1- \n\r\x00\xc3'),
            *(b"true", b'"a"', b'{"a":1}', b"\xef\xbb\xbf", b"[" * 60, b"]" * 60),
        ]
    ),
    max_size=40,
).map(b"".join)
bodies = st.binary(max_size=60) | json_soup


def feed(frames: NdjsonFrames | JsonArrayFrames, data: bytes) -> list[bytes]:
    return list(frames.feed(data))


def split(frames: Frames, chunks: list[bytes], limit: int = LIMIT) -> list[bytes]:
    splitter = frames(limit)
    messages = [message for chunk in chunks for message in feed(splitter, chunk)]
    return messages + splitter.close()


def one_byte_chunks(body: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in body]


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> list[bytes]:
    """Cuts `body` at any places, empty chunks included."""
    cuts = draw(st.lists(st.integers(0, len(body)), max_size=12).map(sorted))
    return [body[start:end] for start, end in pairwise([0, *cuts, len(body)])]


@st.composite
def ndjson_bodies(draw: st.DrawFn) -> tuple[bytes, list[Any]]:
    values = draw(st.lists(json_values, max_size=6))
    body = b""
    for value in values:
        blank_lines = draw(st.lists(st.sampled_from([b"\n", b"\r\n", b" \t\r\n"]), max_size=2))
        text = json.dumps(value, ensure_ascii=draw(st.booleans()))
        body += b"".join(blank_lines) + text.encode() + draw(st.sampled_from([b"\n", b"\r\n"]))
    return (body.rstrip(b"\r\n") if draw(st.booleans()) else body), values


@st.composite
def array_bodies(draw: st.DrawFn) -> tuple[bytes, list[Any]]:
    values = draw(st.lists(json_values, max_size=6))
    indent, ascii_only = draw(st.sampled_from([None, 0, 1, "\t"])), draw(st.booleans())
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_only)
    white_space = st.text(" \t\r\n", max_size=3)
    return (draw(white_space) + text + draw(white_space)).encode(), values


@given(st.data())
def test_any_chunking_of_ndjson_yields_the_messages(data: st.DataObject) -> None:
    body, values = data.draw(ndjson_bodies())
    messages = split(NdjsonFrames, data.draw(chunked(body)))
    assert [json.loads(message) for message in messages] == values


@given(st.data())
def test_any_chunking_of_an_array_yields_its_elements(data: st.DataObject) -> None:
    body, values = data.draw(array_bodies())
    messages = split(JsonArrayFrames, data.draw(chunked(body)))
    assert [json.loads(message) for message in messages] == values


@given(st.data(), json_values.filter(lambda value: not isinstance(value, list)))
def test_any_chunking_of_a_single_value_yields_it(data: st.DataObject, value: Any) -> None:
    body = json.dumps(value, indent=data.draw(st.sampled_from([None, 1]))).encode() + b"\r\n"
    (message,) = split(JsonArrayFrames, data.draw(chunked(body)))
    assert json.loads(message) == value


@BOTH
@given(st.data(), bodies, st.integers(0, 50))
def test_arbitrary_bytes_are_split_or_refused_whatever_their_chunks(
    frames: Frames, data: st.DataObject, body: bytes, limit: int
) -> None:
    try:
        messages = split(frames, [body], limit)
    except (JsonError, CallError):
        with pytest.raises((JsonError, CallError)):
            split(frames, data.draw(chunked(body)), limit)
    else:
        assert split(frames, data.draw(chunked(body)), limit) == messages
        assert all(0 < len(message) <= limit for message in messages)


@given(bodies)
def test_what_the_array_framing_refuses_is_no_json(body: bytes) -> None:
    try:
        split(JsonArrayFrames, [body])
    except JsonError:
        with pytest.raises(ValueError):  # noqa: PT011 - of json or of UTF-8
            json.loads(body.decode())


@BOTH
@pytest.mark.parametrize("body", [b"", b" ", b"\n", b" \r\n\t\r\n"])
def test_an_empty_body_is_an_empty_stream(frames: Frames, body: bytes) -> None:
    assert split(frames, [body]) == []
    assert split(frames, one_byte_chunks(body)) == []


def test_no_chunk_at_all_is_an_empty_stream() -> None:
    assert NdjsonFrames(LIMIT).close() == []
    assert JsonArrayFrames(LIMIT).close() == []


def test_an_ndjson_message_is_yielded_with_its_line_ending() -> None:
    frames = NdjsonFrames(LIMIT)
    assert feed(frames, b'{"a":') == []
    assert feed(frames, b'1}\r\n\n{"b":2}\n{"c"') == [b'{"a":1}', b'{"b":2}']
    assert feed(frames, b":3}") == []
    assert frames.close() == [b'{"c":3}']
    assert frames.close() == []


class TestTheMessageThatIsWrongIsNamed:
    FAULT, SYNTAX = JsonError("name: wrong"), JsonError("malformed JSON: no value", 1, 5)

    @pytest.mark.parametrize("size", [1, 7, 1000])
    def test_by_its_line(self, size: int) -> None:
        body = b'{"a":1}\n\n  {"b":2}\r\n \t\n{"c":3}'
        frames, places = NdjsonFrames(LIMIT), []
        for start in range(0, len(body), size):
            places += [frames.place for _ in frames.feed(body[start : start + size])]
        places += [frames.place for _ in frames.close()]
        assert places == ["line 1", "line 3", "line 5"]
        assert str(frames.located(self.FAULT)) == "line 5: name: wrong"
        assert str(frames.located(self.SYNTAX)) == "line 5: malformed JSON: no value at column 5"

    @pytest.mark.parametrize("size", [1, 7, 1000])
    def test_by_its_index(self, size: int) -> None:
        body = b'[ {"a":[1,2]} , 7 ,"[",[]]'
        frames, places = JsonArrayFrames(LIMIT), []
        for start in range(0, len(body), size):
            places += [frames.place for _ in frames.feed(body[start : start + size])]
        assert places == ["[0]", "[1]", "[2]", "[3]"]
        assert str(frames.located(self.FAULT)) == "[3]: name: wrong"
        assert str(frames.located(self.SYNTAX)).startswith(
            "[3]: malformed JSON: no value at line 1"
        )

    @pytest.mark.parametrize("body", [b'{"a":1}', b"12"])
    def test_by_nothing_where_there_is_but_one(self, body: bytes) -> None:
        frames = JsonArrayFrames(LIMIT)
        assert [*frames.feed(body), *frames.close()] == [body]
        assert frames.place == ""
        assert frames.located(self.FAULT) is self.FAULT

    @pytest.mark.parametrize(
        ("frames", "body", "place"),
        [
            (NdjsonFrames, b"1\n\n" + b"1" * 20, "line 3"),
            (NdjsonFrames, b"1\n\n" + b"1" * 20 + b"\n", "line 3"),
            (JsonArrayFrames, b"[1, 2, " + b"1" * 20, "[2]"),
            (JsonArrayFrames, b"1" * 20, ""),
        ],
    )
    def test_where_it_is_too_large(self, frames: Frames, body: bytes, place: str) -> None:
        for chunks in ([body], one_byte_chunks(body)):
            splitter = frames(8)
            with pytest.raises(CallError, match=f"^{re.escape(place)}"):
                [message for chunk in chunks for message in feed(splitter, chunk)]
            assert splitter.place == place


def test_a_carriage_return_alone_ends_no_ndjson_line() -> None:
    assert split(NdjsonFrames, [b"[1,\r2]\n3"]) == [b"[1,\r2]", b"3"]


@pytest.mark.parametrize(
    "element",
    [
        b'{"a": 1}',
        b"[]",
        b"[[1], [2]]",
        b'"text"',
        b'"\\""',
        b'"\\\\"',
        b'{"}": "]"}',
        b'"\\u00e9"',
    ],
)
@pytest.mark.parametrize("prefix", [b"[", b" [ null , ", b"[{},"])
def test_an_element_is_yielded_with_its_last_byte(element: bytes, prefix: bytes) -> None:
    frames = JsonArrayFrames(LIMIT)
    feed(frames, prefix)
    for byte in one_byte_chunks(element[:-1]):
        assert feed(frames, byte) == []
    assert feed(frames, element[-1:]) == [element]


@pytest.mark.parametrize("message", [b'{"a": [1]}', b'"text"'])
def test_a_single_message_is_yielded_with_its_last_byte(message: bytes) -> None:
    frames = JsonArrayFrames(LIMIT)
    assert feed(frames, message[:-1]) == []
    assert feed(frames, message[-1:]) == [message]
    assert feed(frames, b"\n") == frames.close() == []


@pytest.mark.parametrize("element", [b"-1.5e+3", b"true", b"null"])
@pytest.mark.parametrize("follower", [b",", b"]", b" "])
def test_a_number_or_literal_is_yielded_with_the_byte_after_it(
    element: bytes, follower: bytes
) -> None:
    frames = JsonArrayFrames(LIMIT)
    assert feed(frames, b"[" + element) == []
    assert feed(frames, follower) == [element]


def test_a_single_number_is_yielded_at_the_end_of_the_body() -> None:
    frames = JsonArrayFrames(LIMIT)
    assert feed(frames, b"12") == feed(frames, b"3") == []
    assert frames.close() == [b"123"]
    assert frames.close() == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param('["\\"", "\\\\", "\\u00e9\\\\\\""]', id="escapes"),
        pytest.param('["\u00e9\u20ac\U0001f600", {"\u20ac": 1}]', id="multi-byte characters"),
        pytest.param(
            json.dumps(['"\\' * 100, {"k": ['"' * 100]}]), id="more escapes than a pattern"
        ),
        pytest.param(json.dumps([["s"] * 100, [[{}]] * 100]), id="more strings than a pattern"),
    ],
)
def test_a_chunk_may_end_anywhere(body: str) -> None:
    encoded = body.encode()
    whole = split(JsonArrayFrames, [encoded])
    assert [json.loads(message) for message in whole] == json.loads(body)
    assert split(JsonArrayFrames, one_byte_chunks(encoded)) == whole
    for cut in range(len(encoded)):
        assert split(JsonArrayFrames, [encoded[:cut], encoded[cut:]]) == whole


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"[1 2]", "expected ',' or ']' at byte 3, found '2'"),
        (b"[1,,2]", "expected a JSON value after ',' at byte 3, found ','"),
        (b"[1,]", "expected a JSON value after ',' at byte 3, found ']'"),
        (b"[,1]", "expected a JSON value or ']' at byte 1, found ','"),
        (b'["a""b"]', "expected ',' or ']' at byte 4, found '\"'"),
        (b"[1:2]", "expected ',' or ']' at byte 2, found ':'"),
        (b"[1}", "expected ',' or ']' at byte 2, found '}'"),
        (b"[] []", "expected the end of the body at byte 3, found '['"),
        (b"[1],", "expected the end of the body at byte 3, found ','"),
        (b"{} {}", "expected the end of the body at byte 3, found '{'"),
        (b"1 2", "expected the end of the body at byte 2, found '2'"),
        (b"]", "expected a JSON value at byte 0, found ']'"),
        (b"a=x", "expected a JSON value at byte 0, found 'a'"),
        (b"\x00", "expected a JSON value at byte 0, found byte 0x00"),
        (b"[\n\xff]", "expected a JSON value or ']' at byte 2, found byte 0xff"),
        (b'[{"a":[1}]]', "[0]: expected ']' at byte 8, found '}'"),
        (b'[0, {"a":1]', "[1]: expected '}' at byte 10, found ']'"),
        (b"[", "the body ends at byte 1, expected a JSON value or ']'"),
        (b"[1", "[0]: the body ends inside a message at byte 2"),
        (b"[1 ", "the body ends at byte 3, expected ',' or ']'"),
        (b"[{},", "the body ends at byte 4, expected a JSON value after ','"),
        (b'{"a"', "the body ends inside a message at byte 4"),
        (b'"a\\', "the body ends inside a message at byte 3"),
    ],
)
def test_a_malformed_array_is_refused_with_the_byte_where_it_went_wrong(
    body: bytes, error: str
) -> None:
    for chunks in ([body], one_byte_chunks(body)):
        with pytest.raises(JsonError) as refusal:
            split(JsonArrayFrames, chunks)
        assert str(refusal.value) == error


@pytest.mark.parametrize("chunks", [[b"\xef\xbb\xbf{}"], [b"\xef", b"\xbb", b"\xbf", b"{}"]])
@BOTH
def test_a_byte_order_mark_is_refused(frames: Frames, chunks: list[bytes]) -> None:
    with pytest.raises(JsonError, match="byte order mark"):
        split(frames, chunks)


def test_a_byte_order_mark_in_a_later_line_is_refused_with_its_line() -> None:
    with pytest.raises(JsonError, match="line 3 starts with a byte order mark"):
        split(NdjsonFrames, [b"1\n\n\xef\xbb", b"\xbf2\n"])


@pytest.mark.parametrize("innermost", [b"", b"1", b'"]"'])
def test_messages_may_be_nested_as_deep_as_the_limit(innermost: bytes) -> None:
    message = b"[" * MAX_DEPTH + innermost + b"]" * MAX_DEPTH
    body = b"[" + message + b"," + message + b"]"
    assert split(JsonArrayFrames, [body]) == [message, message]
    assert split(JsonArrayFrames, one_byte_chunks(body)) == [message, message]


@pytest.mark.parametrize(
    ("body", "byte"),
    [(b"[[" + b"[" * MAX_DEPTH, 101), (b'{"a":' + b"[" * MAX_DEPTH + b"]", 104)],
)
def test_deeper_messages_are_refused_before_they_end(body: bytes, byte: int) -> None:
    for chunks in ([body], one_byte_chunks(body)):
        with pytest.raises(JsonError, match=f"nested deeper than 100 levels at byte {byte}$"):
            split(JsonArrayFrames, chunks)


@BOTH
def test_the_size_limit_holds_for_each_message_and_not_for_the_body(frames: Frames) -> None:
    body = {NdjsonFrames: b'"345"\n"345"\r\n', JsonArrayFrames: b'[ "345" ,\r\n "345" ]'}[frames]
    for chunks in ([body], one_byte_chunks(body)):
        assert split(frames, chunks, limit=5) == [b'"345"', b'"345"']
        with pytest.raises(CallError, match="at most 4 bytes"):
            split(frames, chunks, limit=4)


@BOTH
@pytest.mark.parametrize("start", [b'"', b"1"])
def test_a_message_is_refused_with_the_byte_that_is_too_many(frames: Frames, start: bytes) -> None:
    splitter = frames(8)
    assert feed(splitter, start) == feed(splitter, b"0000000") == feed(splitter, b"") == []
    with pytest.raises(CallError):
        feed(splitter, b"0")


def test_a_carriage_return_counts_only_where_it_is_no_line_ending() -> None:
    frames = NdjsonFrames(4)
    assert feed(frames, b"1234\r") == feed(frames, b"") == []
    assert feed(frames, b"\n1234\r") == [b"1234"]
    with pytest.raises(CallError):
        feed(frames, b"5")


@BOTH
@pytest.mark.parametrize("chunk_size", [1, 4096])
def test_memory_stays_near_the_size_of_one_message(frames: Frames, chunk_size: int) -> None:
    limit = 1 << 16
    chunk = b"x" * chunk_size
    splitter = frames(limit)
    feed(splitter, b'"')
    tracemalloc.start()
    try:
        for _ in range((limit - 2) // chunk_size):
            feed(splitter, chunk)
        (message,) = feed(splitter, b'"\n') or splitter.close()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(message) > limit - 2 * chunk_size
    assert peak < 1.5 * limit


def test_white_space_between_elements_is_not_kept() -> None:
    frames = JsonArrayFrames(8)
    feed(frames, b"[1")
    assert feed(frames, b" " * 1000) == [b"1"]
    assert feed(frames, b"\n" * 1000 + b"," + b"\t" * 1000 + b"2]") == [b"2"]
    assert frames.close() == []

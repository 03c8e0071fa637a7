"""The framings of response streams and the choice among them."""

from __future__ import annotations

import itertools
import json

import pytest
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st
from polyrpc.http.negotiation import (
    FRAMINGS,
    EventStream,
    Framing,
    JsonArray,
    Ndjson,
    negotiate,
)
from polyrpc.protojson import JsonCodec
from polyrpc.rpc.status import error_body
from testing.v1.testing_pb2 import EchoRequest

NDJSON, EVENTS, JSON = b"application/x-ndjson", b"text/event-stream", b"application/json"
OFFERED = [media_type.decode() for media_type in FRAMINGS]

texts = st.lists(st.text().map(lambda text: json.dumps(text, ensure_ascii=False).encode()))


def body_of(framing: Framing, messages: list[bytes]) -> bytes:
    return b"".join(map(framing.message, messages)) + framing.end()


def test_every_streaming_media_type_has_its_framing() -> None:
    assert list(FRAMINGS.items()) == [(NDJSON, Ndjson), (EVENTS, EventStream), (JSON, JsonArray)]


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (Ndjson, b'{"result": {"a":1}}\n{"result": 2}\n'),
        (EventStream, b'data: {"a":1}\n\ndata: 2\n\n'),
        (JsonArray, b'[{"a":1},2]'),
    ],
)
def test_messages_are_framed(framing: type[Framing], body: bytes) -> None:
    assert body_of(framing(), [b'{"a":1}', b"2"]) == body


@pytest.mark.parametrize(
    ("framing", "body"), [(Ndjson, b""), (EventStream, b""), (JsonArray, b"[]")]
)
def test_an_empty_stream_has_a_valid_body(framing: type[Framing], body: bytes) -> None:
    assert framing().end() == body


@pytest.mark.parametrize(
    ("framing", "last"),
    [
        (Ndjson, b'{"error": {"code":3}}\n'),
        (EventStream, b'event: error\ndata: {"code":3}\n\n'),
        (JsonArray, None),
    ],
)
def test_a_failure_after_the_start_is_told_or_cuts_the_connection(
    framing: type[Framing], last: bytes | None
) -> None:
    frames = framing()
    frames.message(b"1")
    assert frames.error(b'{"code":3}') == last


@pytest.mark.parametrize("line_break", ["\n", "\r", "\r\n", "\n\n", "\u2028"])
def test_line_breaks_of_a_message_never_end_its_frame(line_break: str) -> None:
    text = JsonCodec().message_encoder(EchoRequest)(EchoRequest(text=f"a{line_break}b"))
    failure = error_body(StatusCode.INTERNAL, f"a{line_break}b")
    for framing, sent in itertools.product((Ndjson(), EventStream()), (text, failure)):
        for frame in (framing.message(sent), framing.error(sent)):
            assert frame is not None
            assert b"\r" not in frame
            assert b"\n" not in frame.removeprefix(b"event: error\n").rstrip(b"\n")


@given(texts)
def test_ndjson_bodies_are_one_json_object_a_line(messages: list[bytes]) -> None:
    lines = body_of(Ndjson(), messages).split(b"\n")
    assert lines.pop() == b""
    assert [json.loads(line) for line in lines] == [{"result": json.loads(m)} for m in messages]


@given(texts)
def test_event_streams_are_one_event_a_message(messages: list[bytes]) -> None:
    events = body_of(EventStream(), messages).split(b"\n\n")
    assert events.pop() == b""
    assert [event.removeprefix(b"data: ") for event in events] == messages


@given(texts)
def test_array_bodies_are_one_json_array(messages: list[bytes]) -> None:
    assert json.loads(body_of(JsonArray(), messages)) == list(map(json.loads, messages))


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, NDJSON),
        ("*/*", NDJSON),
        ("application/*", NDJSON),
        ("text/*", EVENTS),
        ("application/x-ndjson", NDJSON),
        ("text/event-stream", EVENTS),
        ("application/json", JSON),
        ("Application/JSON", JSON),
        ("TEXT/*", EVENTS),
        ("application/json; charset=utf-8", JSON),
        ('application/json;profile="a,b;q=0";q=1', JSON),
        ('text/event-stream;a="\\",*/*;q=0"', EVENTS),
        ("application/json;;q=1 ; ", JSON),
        # weights
        ("application/x-ndjson;q=0.5, application/json;q=0.6", JSON),
        ("text/event-stream;q=0.5, application/json;q=0.4", EVENTS),
        ("application/json;q=0.001, text/event-stream;q=0.01", EVENTS),
        ("text/event-stream;Q=0.2,application/json;Q=0.3", JSON),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", NDJSON),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", NDJSON),
        ("application/json;q=0.30000000000000004, text/event-stream;q=0.3", JSON),
        # the most specific range gives the weight, wherever it stands
        ("*/*, application/x-ndjson;q=0.1", EVENTS),
        ("application/x-ndjson;q=0.1, */*", EVENTS),
        ("application/*;q=0.9, application/x-ndjson;q=0.1, */*;q=0.2", JSON),
        ("*/*;q=0.1, text/*;q=0.2", EVENTS),
        # of the same weight: what is named, then the server's order
        ("application/json, text/plain, */*", JSON),
        ("text/event-stream, */*", EVENTS),
        ("application/*, */*", NDJSON),
        ("text/*, */*", EVENTS),
        ("application/json, text/event-stream", EVENTS),
        ("application/json, application/x-ndjson", NDJSON),
        # zero excludes
        ("application/x-ndjson;q=0, */*", EVENTS),
        ("application/x-ndjson;q=0, text/*;q=0.0, */*", JSON),
        ("application/json;q=0", None),
        ("*/*;q=0", None),
        ("*/*;q=0, application/json", JSON),
        ("*/*;q=0.000", None),
        # nothing that can be had
        ("text/html", None),
        ("application/xml, image/*", None),
        ("application/json-seq", None),
        ("*/json", None),
        # malformed members are ignored
        ("application/json;q=2, text/event-stream;q=0.1", EVENTS),
        ("application/json;q=, text/event-stream", EVENTS),
        ("application/json;q=-1, text/event-stream", EVENTS),
        ("application/json;q=nan, text/event-stream", EVENTS),
        ("application/json;q=1e0, text/event-stream", EVENTS),
        ("application/json;q=\u0661, text/event-stream", EVENTS),
        ('application/json;q="1", text/event-stream', EVENTS),
        ("application/json/x, text/event-stream", EVENTS),
        ("application /json, text/event-stream", EVENTS),
        (",, ,text/event-stream,", EVENTS),
        ('application/json;q=0.5, a/b;a="unclosed, */*', JSON),
        ("text/event-stream, application/json;a=\\", EVENTS),
        # and a header of nothing else counts as none
        ("", NDJSON),
        (" , ", NDJSON),
        ("json", NDJSON),
        ("*", NDJSON),
        ("application/json;q=high", NDJSON),
    ],
)
def test_the_media_type_of_a_stream_follows_accept(
    accept: str | None, media_type: bytes | None
) -> None:
    assert negotiate(accept, streaming=True) == media_type


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/*;q=0.1", JSON),
        ("application/json", JSON),
        ("application/x-ndjson, application/json;q=0.1", JSON),
        ("text/html, */*;q=0.8", JSON),
        ("json", JSON),
        ("application/x-ndjson", None),
        ("text/event-stream", None),
        ("text/*", None),
        ("application/json;q=0, */*", None),
        ("application/*;q=0, */*", None),
    ],
)
def test_the_media_type_of_a_single_message_is_json_or_nothing(
    accept: str | None, media_type: bytes | None
) -> None:
    assert negotiate(accept, streaming=False) == media_type


members = st.builds(
    "{}{}".format,
    st.sampled_from(
        ["*/*", "application/*", "text/*", "text/html", "json", "a/b/c", 'x/y;p=",;"', *OFFERED]
    ),
    st.sampled_from(["", ";q=0", ";q=1", "; q=0.5", ";q=.25", " ; Q=0.75", ";q=x", ";v=1;q=0.1"]),
)
anything = st.text() | st.text('aq*/;,="\\ \t.01') | st.lists(members).map(",".join)


@given(anything, st.booleans())
def test_every_header_has_an_answer(accept: str, streaming: bool) -> None:
    assert negotiate(accept, streaming=streaming) in (
        [*FRAMINGS, None] if streaming else [JSON, None]
    )


@given(st.data(), st.lists(members, max_size=6), st.booleans())
def test_order_and_case_of_the_members_do_not_matter(
    data: st.DataObject, members: list[str], streaming: bool
) -> None:
    shuffled = ", ".join(data.draw(st.permutations(members)))
    answer = negotiate(",".join(members), streaming=streaming)
    assert negotiate(shuffled, streaming=streaming) == answer
    assert negotiate(shuffled.upper(), streaming=streaming) == answer

"""Long lists and maps of messages, whose integers of 64 bits are read all at once."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from polyrpc.protojson import compiled_reader, parse_values
from test_codec_compiled import READ, check_decoders
from testing.v1 import legacy_pb2, plain_pb2

LONG = compiled_reader._MANY + 3
INTEGERS = ["0", "-5", "9223372036854775807", "-9223372036854775808"]
ODD_INTEGERS = [
    *("-0", " 1", "1 ", "+1", "01", "1_0", "1.0", "1e2", "1.5", "\u0661", "9223372036854775808"),
    *("", " ", "null", "true", '"1"', "1,2", "1,", "[1]", "[1", "2]", "{", "NaN", "1" * 5000),
    *(1, -(2**63), 2**63, 1.0, 1.5, True, None, [], {}, ["1"]),
]
PRINTED = ["null", "9223372036854775808"]
"""Those of them that the parser of all reads; the next to look at them refuses them."""
LISTS: list[tuple[type[Message], str, str, str]] = [
    (plain_pb2.PlainKinds, "leaves", "count", "name"),
    (plain_pb2.PlainOrder, "lines", "priceCents", "sku"),
    (plain_pb2.PlainOrder, "byName", "price_cents", "sku"),
    (plain_pb2.PlainMaps, "mapInt64", "count", "name"),
    (legacy_pb2.Defaults, "several", "id", "id"),
]


def text_of(field: str, rows: list[Any]) -> bytes:
    """Answers the JSON of a message with these messages in one of its fields."""
    is_map = field in ("byName", "mapInt64")
    return json.dumps({field: dict(enumerate(rows)) if is_map else rows}).encode()


@pytest.mark.parametrize(("message_class", "field", "key", "other"), LISTS)
class TestLongLists:
    def test_are_read_without_the_strict_reader(
        self, message_class: type[Message], field: str, key: str, other: str
    ) -> None:
        rows: list[dict[str, Any]] = [{key: INTEGERS[number % 4]} for number in range(LONG)]
        for changed in ({}, {other: "7"}, {key: None}, {key: 7}, {key: "-0"}):
            for place in (0, LONG // 2, LONG - 1):
                text = text_of(field, [*rows[:place], changed, *rows[place + 1 :]])
                read = READ[message_class](text)
                assert read.SerializeToString(deterministic=True) == check_decoders(
                    message_class, text
                ).SerializeToString(deterministic=True)

    @pytest.mark.parametrize("odd", ODD_INTEGERS, ids=lambda each: repr(each)[:20])
    def test_may_have_an_odd_integer_anywhere(
        self, message_class: type[Message], field: str, key: str, other: str, odd: Any
    ) -> None:
        for place in (0, 1, LONG - 1):
            rows: list[Any] = [{key: INTEGERS[number % 4]} for number in range(LONG)]
            rows[place] = {key: odd}
            check_decoders(message_class, text_of(field, rows))

    @given(st.data())
    def test_may_have_several_odd_messages(
        self, message_class: type[Message], field: str, key: str, other: str, data: st.DataObject
    ) -> None:
        camel = re.sub("_(.)", lambda match: match[1].upper(), key)
        snake = re.sub("([A-Z])", lambda match: f"_{match[1].lower()}", key)
        integers = st.sampled_from([*INTEGERS, *INTEGERS, *ODD_INTEGERS])
        messages = st.dictionaries(st.sampled_from([camel, snake, other]), integers)
        odd = st.one_of(messages, messages, st.sampled_from([None, [], "x", 5, {"unknown": 1}]))
        rows: list[Any] = [{key: "7", other: "8"} for _ in range(LONG)]
        changes = data.draw(st.dictionaries(st.integers(0, LONG - 1), odd, max_size=3))
        for place, changed in changes.items():
            rows[place] = changed
        check_decoders(message_class, text_of(field, rows))


@pytest.mark.parametrize("odd", [each for each in ODD_INTEGERS if each not in PRINTED])
def test_only_integers_as_they_are_printed_are_read_at_once(odd: Any) -> None:
    plain: list[dict[str, Any]] = [{"a": "1", "b": "x"}, {}, {"a": "-2", "b": "x"}]
    read = parse_values.with_integers(plain, ["a", "c"])
    assert read is not None
    assert [each[1:] for each in read] == [(1, None), (None, None), (-2, None)]
    assert parse_values.with_integers([*plain, {"a": odd}], ["a", "b"]) is None

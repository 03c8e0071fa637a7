"""Long lists of messages, which are written by their fields, against one after the other."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from polyrpc.protojson import JsonCodec, columns, compiled_writer
from polyrpc.protojson.columns import column_reader, has_columns
from polyrpc.protojson.style import JsonStyle
from strategies import messages
from testing.v1 import legacy_pb2, plain_pb2
from testing.v1.plain_pb2 import PlainOrder, PlainRow, PlainRows

LONG = compiled_writer._MANY + 3
STYLES = [JsonStyle(names, fields) for names in (False, True) for fields in (False, True)]
CODECS = [JsonCodec(style) for style in STYLES]
LINES: Any = PlainOrder.DESCRIPTOR.fields_by_name["lines"]
FULL = {
    "double_field": -1.5,
    "float_field": 0.1,
    **{f"{kind}_field": 7 for kind in ("int32", "uint32", "sint32", "fixed32", "sfixed32")},
    **{f"{kind}_field": 2**53 + 1 for kind in ("int64", "uint64", "sint64", "fixed64", "sfixed64")},
    "bool_field": True,
    "string_field": 'a",\n  "b\\\u2028\U0001f600',
    "bytes_field": b"\xff,",
    "shade": 2,
    "renamed": "},{",
    "tags": ["a", ",\n  "],
    "times": [{"seconds": 1}],
    "from": -1,
}
ODD: list[dict[str, Any]] = [
    *({**FULL, "double_field": odd, "float_field": odd} for odd in (math.nan, math.inf, -0.0)),
    {**FULL, "double_field": -math.inf, "float_field": 3.4028234663852886e38},
    {**FULL, "shade": 5, "string_field": "x" * 100_000},
    {**FULL, "double_field": 1.7976931348623157e308, "int64_field": -(2**63)},
    *({key: value for key, value in FULL.items() if key != left} for left in FULL),
    {"string_field": "a"},
    {},
]


def check(rows: Sequence[Message], field: str, parent: Message) -> None:
    """Checks that a list in a message is written as its messages are, each by itself."""
    for codec, style in zip(CODECS, STYLES, strict=True):
        one = codec.message_encoder(type(rows[0]))
        text = codec.message_encoder(type(parent))(parent)
        alone = b",".join(map(one, rows))
        assert b'"%b":[%b]' % (field.encode(), alone) in text, style
        json.loads(text)


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("place", [0, 1, LONG - 2, LONG - 1])
def test_an_odd_message_may_stand_anywhere(odd: dict[str, Any], place: int) -> None:
    rows = [PlainRow(**FULL) for _ in range(LONG)]
    rows[place] = PlainRow(**odd)
    check(rows, "rows", PlainRows(rows=rows))
    check(rows, "rows", PlainRows(inner={"rows": rows}))
    check(rows, "rows", PlainRows(more=[{}, {"rows": rows}, {"rows": rows[:2]}]))


@pytest.mark.parametrize("name", FULL)
def test_a_field_may_have_nothing_in_any_message(name: str) -> None:
    kept = {key: value for key, value in FULL.items() if key != name}
    rows = [PlainRow(**kept) for _ in range(LONG)]
    check(rows, "rows", PlainRows(rows=rows))
    for place in (0, LONG // 2, LONG - 1):
        rows[place] = PlainRow(**FULL)
    check(rows, "rows", PlainRows(rows=rows))


@pytest.mark.parametrize("text", ["a", "\u00fc\u2028", 'a"b', "\x00\n\\u0000", 'a\x7f"\x7f'])
@pytest.mark.parametrize("others", ["a", 'a"b', "\x7f", 'a\x7f"\x7f'])
def test_strings_are_printed_alike_whatever_is_in_them(text: str, others: str) -> None:
    line = PlainOrder.Line(sku=others, price_cents=1, weight_kg=0.5, shade=1, ratio=1)
    lines = [line] * LONG
    lines[1] = PlainOrder.Line(sku=text)
    check(lines, "lines", PlainOrder(lines=lines))


@given(st.data())
def test_any_messages_are_written_as_each_by_itself(data: st.DataObject) -> None:
    line = PlainOrder.Line(sku="a", price_cents=1, weight_kg=0.5, shade=1, ratio=1)
    lines: list[Message] = [line] * LONG
    drawn = st.dictionaries(
        st.integers(0, LONG - 1), messages(PlainOrder.Line.DESCRIPTOR), max_size=5
    )
    for place, other in data.draw(drawn).items():
        lines[place] = other
    check(lines, "lines", PlainOrder(name="lines", lines=lines))
    check(lines, "lines", PlainRows(inner={"lines": lines}))


def varint(number: int) -> bytes:
    parts = []
    while number > 127:
        parts.append(number % 128 + 128)
        number //= 128
    return bytes([*parts, number])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


@pytest.mark.parametrize("packed", [b"", b"\x05", b"\x05\x06", bytes(8), b"\x05" * 8])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 99])
def test_numbers_that_a_parser_ignores_are_nobodys(number: int, packed: bytes) -> None:
    line = PlainOrder.Line(sku="a", price_cents=1, weight_kg=0.5, shade=1, ratio=1)
    lines = [line.SerializeToString()] * LONG
    # As many messages have no price as others have more prices than one.
    short = PlainOrder.Line(sku="a", weight_kg=0.5, shade=1, ratio=1).SerializeToString()
    lines[1 : 1 + len(packed)] = [short] * len(packed)
    lines[-2] += field(number, packed) if number != 1 else b""
    wire = b"".join(field(2, each) for each in lines)
    order = PlainOrder.FromString(wire + field(77, b"unknown"))
    check(order.lines, "lines", order)


def test_columns_have_what_is_not_zero() -> None:
    lines = [
        {"sku": "a", "price_cents": 1, "shade": 1},
        {"sku": "b", "price_cents": -2, "ratio": 2},
    ]
    read = column_reader(LINES.number, LINES.message_type)
    assert read(PlainOrder(lines=lines), 2) == [[b"a", b"b"], [1, -2], [], [1], [2.0]]
    assert read(PlainOrder(name="a" * 1000, lines=lines), 2) is None
    most = columns._MOST_MESSAGES
    assert read(PlainOrder(lines=lines[:1] * most), most) is not None
    assert read(PlainOrder(lines=lines[:1] * (most + 1)), most + 1) is None


@pytest.mark.parametrize(
    ("length", "changed", "expected"),
    [
        (LONG, {}, [True]),
        (LONG, {1: {"int64_field": 0}}, [True]),
        (LONG, {LONG // 8: {"int64_field": 0}}, []),
        (LONG, {1: {"string_field": "x" * 100_000}}, [False]),
        (compiled_writer._MANY - 1, {}, []),
    ],
)
def test_a_long_list_is_written_by_columns_where_that_is_quicker(
    length: int,
    changed: dict[int, dict[str, Any]],
    expected: list[bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = []

    def spied_on(field_number: int, part: Descriptor) -> Any:
        read = column_reader(field_number, part)

        def spy(message: Message, count: int) -> Any:
            answer = read(message, count)
            found.append(answer is not None)
            return answer

        return spy

    monkeypatch.setattr(compiled_writer, "column_reader", spied_on)
    rows = [PlainRow(**{**FULL, **changed.get(place, {})}) for place in range(length)]
    JsonCodec().message_encoder(PlainRows)(PlainRows(rows=rows))
    assert found == expected


@pytest.mark.parametrize(
    ("message_class", "name", "expected"),
    [
        (PlainOrder, "lines", True),
        (PlainRows, "rows", True),
        (plain_pb2.PlainKinds, "repeated_time", False),
        (plain_pb2.PlainTree, "children", False),
        (legacy_pb2.Defaults, "several", False),
    ],
)
def test_lists_with_columns(message_class: type[Message], name: str, expected: bool) -> None:
    found: FieldDescriptor = message_class.DESCRIPTOR.fields_by_name[name]
    assert has_columns(found) is expected

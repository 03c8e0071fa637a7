"""Hypothesis strategies: protobuf messages of any type, and JSON texts that are nearly right."""

from __future__ import annotations

import json
import math
import re
import struct
from typing import Any

from google.protobuf import any_pb2, json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from hypothesis import strategies as st
from testing.v1 import testing_pb2

_DEEPEST = 3
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s"]')


def _one_nan(value: float) -> float:
    """JSON has one NaN where the wire has many."""
    return math.nan if math.isnan(value) else value


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_BITS = st.integers(0, 2**32 - 1)
_FLOATS = st.one_of(
    st.floats(width=32),
    # Whatever 32 bits are: the fewest digits of a float are found by trial.
    _BITS.map(lambda bits: struct.unpack("<f", struct.pack("<I", bits))[0]),
    st.sampled_from([0.1, 1 / 3, 1e-45, 3.4028234663852886e38, -3.4028234663852886e38, 16777216.0]),
).map(_one_nan)
_FINITE = st.floats(allow_nan=False, allow_infinity=False)
_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_STRING: _TEXTS,
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=8),
    FieldDescriptor.TYPE_DOUBLE: st.floats().map(_one_nan),
    FieldDescriptor.TYPE_FLOAT: _FLOATS,
    **dict.fromkeys(
        (
            FieldDescriptor.TYPE_INT32,
            FieldDescriptor.TYPE_SINT32,
            FieldDescriptor.TYPE_SFIXED32,
        ),
        st.integers(-(2**31), 2**31 - 1),
    ),
    **dict.fromkeys(
        (FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_FIXED32), st.integers(0, 2**32 - 1)
    ),
    **dict.fromkeys(
        (
            FieldDescriptor.TYPE_INT64,
            FieldDescriptor.TYPE_SINT64,
            FieldDescriptor.TYPE_SFIXED64,
        ),
        st.integers(-(2**63), 2**63 - 1),
    ),
    **dict.fromkeys(
        (FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_FIXED64), st.integers(0, 2**64 - 1)
    ),
}
_NANOS = st.one_of(
    st.just(0), st.integers(0, 999).map(lambda n: n * 1_000_000), st.integers(0, 10**9 - 1)
)
_PATHS = st.from_regex(r"[a-z]([a-z]|_[a-z]){0,3}(\.[a-z]{1,3})?", fullmatch=True)
_JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), _FINITE, _TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(_TEXTS, inner, max_size=3)
    ),
    max_leaves=5,
)


@st.composite
def _durations(draw: st.DrawFn) -> Any:
    seconds = draw(st.integers(0, 315_576_000_000 - 1))
    sign = draw(st.sampled_from([1, -1]))
    return {"seconds": sign * seconds, "nanos": sign * draw(_NANOS)}


def _special(full_name: str) -> st.SearchStrategy[Message] | None:
    """Answers valid messages of a well-known type whose fields do not all make one."""
    values: Any
    match full_name.removeprefix("google.protobuf."):
        case "Timestamp":
            seconds = st.integers(-62_135_596_800, 253_402_300_799)
            values = st.fixed_dictionaries({"seconds": seconds, "nanos": _NANOS})
        case "Duration":
            values = _durations()
        case "FieldMask":
            values = st.fixed_dictionaries({"paths": st.lists(_PATHS, max_size=3)})
        case "Value" | "Struct" | "ListValue" as kind:
            values = {
                "Value": _JSON_VALUES,
                "Struct": st.dictionaries(_TEXTS, _JSON_VALUES, max_size=3),
                "ListValue": st.lists(_JSON_VALUES, max_size=3),
            }[kind]
            return values.map(lambda tree: json_format.ParseDict(tree, _class_of(full_name)()))
        case _:
            return None
    return values.map(lambda fields: _class_of(full_name)(**fields))


def _class_of(full_name: str) -> type[Message]:
    pool = testing_pb2.DESCRIPTOR.pool
    return GetMessageClass(pool.FindMessageTypeByName(full_name))


def _pack(message: Message, prefix: str) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message, prefix, deterministic=True)
    return packed


def _anys(depth: int) -> st.SearchStrategy[Message]:
    carried = [
        testing_pb2.Book.DESCRIPTOR,
        error_details_pb2.ErrorInfo.DESCRIPTOR,
        testing_pb2.MoreKinds.DESCRIPTOR,
        *(
            _class_of(f"google.protobuf.{name}").DESCRIPTOR
            for name in ("Any", "Duration", "Empty", "FloatValue", "StringValue", "Struct", "Value")
        ),
    ]
    return st.builds(
        _pack,
        st.sampled_from(carried).flatmap(lambda each: messages(each, depth + 1)),
        st.sampled_from(["type.googleapis.com/", "type.googleapis.com/", "example.com/x/"]),
    )


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, depth: int = 0) -> Message:
    """Draws messages of a type, with a few of its fields set, that have a JSON form."""
    special = _special(descriptor.full_name)
    if special is not None:
        return draw(special)
    if descriptor.full_name == "google.protobuf.Any":
        return draw(_anys(depth)) if depth < _DEEPEST else any_pb2.Any()
    message = GetMessageClass(descriptor)()
    fields = list(descriptor.fields)
    for field in draw(st.lists(st.sampled_from(fields), max_size=6 - depth)) if fields else ():
        if field.message_type is None or depth < _DEEPEST:
            _set_field(draw, message, field, depth)
    return message


def _set_field(draw: st.DrawFn, message: Message, field: FieldDescriptor, depth: int) -> None:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        target = getattr(message, field.name)
        value_field = entry.fields_by_name["value"]
        for _ in range(draw(st.integers(0, 2))):
            key = draw(_SCALARS[entry.fields_by_name["key"].type])
            value = draw(_values(value_field, depth))
            if value_field.message_type is not None:
                target[key].CopyFrom(value)
            else:
                target[key] = value
    elif field.enum_type is not None and field.enum_type.full_name == "google.protobuf.NullValue":
        if not field.is_repeated:  # json_format does not read what it prints of these.
            setattr(message, field.name, 0)
    elif field.is_repeated:
        getattr(message, field.name).extend(draw(st.lists(_values(field, depth), max_size=3)))
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(draw(_values(field, depth)))
        getattr(message, field.name).SetInParent()
    else:
        setattr(message, field.name, draw(_values(field, depth)))


def _values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return messages(field.message_type, depth + 1)
    if field.enum_type is None:
        return _SCALARS[field.type]
    known = st.sampled_from([value.number for value in field.enum_type.values])
    return known if field.enum_type.is_closed else st.one_of(known, st.sampled_from([77, -1]))


WRONG_VALUES = [
    *("null", "true", "false", "0", "1", "-1", "-0", "1.0", "1.5", "1e2", "1e400", "77"),
    *("2147483648", "4294967296", "9223372036854775808", "18446744073709551616", "3.5e38"),
    *('""', '"1"', '"1.0"', '" 1"', '"1e2"', '"1_0"', '"\\n1"', '"+1"', '"01"', '"\uff11"'),
    *('"x"', '"true"', '"null"'),
    *('"NaN"', '"Infinity"', '"-Infinity"', '"inf"', '"nan"', '"1e400"', '"3.5e38"', "NaN"),
    *('"AQI"', '"-_8="', '"-/8="', '"A"', '"AQI=="', '"A Q="', '"\\ud800"', '"\\ud83d\\ude00"'),
    *(
        '"COLOUR_RED"',
        '"COLOUR_NONE"',
        '"NULL_VALUE"',
        '"1s"',
        '"1.5s"',
        '"+1s"',
        '"1.0000000001s"',
    ),
    *('"2020-01-01T00:00:00Z"', '"2020-1-01T00:00:00Z"', '"2020-01-01T00:00:00.5+01:00"'),
    *('"a,bC"', '"a_b"', "[]", "{}", "[null]", "[[]]", '{"a":1}', '{"":null}', '{"name":"x"}'),
    '{"@type":"type.googleapis.com/testing.v1.Book","title":"x"}',
    '{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"}',
    '{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s","x":1}',
    '{"@type":"type.googleapis.com/google.protobuf.Int32Value","value":null}',
    '{"@type":"nowhere"}',
]
"""JSON texts each of which is right for some field and wrong for most."""


@st.composite
def mutated_texts(draw: st.DrawFn, descriptor: Descriptor) -> str:
    """Draws the JSON of a message after a few changes: values, keys, or characters."""
    tree = json_format.MessageToDict(draw(messages(descriptor)))
    keys = [name for field in descriptor.fields for name in (field.json_name, field.name)]
    replaced: dict[str, str] = {}
    for index in range(draw(st.integers(1, 2))):
        mark = f"@mark{index}@"
        replaced[mark] = draw(st.sampled_from(WRONG_VALUES))
        parent = draw(st.sampled_from(list(_containers(tree))))
        if isinstance(parent, dict):
            names = [*parent, draw(st.sampled_from([*keys, "nowhere", "@type", "value"]))]
            parent[draw(st.sampled_from(names))] = mark
        else:
            parent.insert(draw(st.integers(0, len(parent))), mark)
    text = json.dumps(tree, ensure_ascii=draw(st.booleans()))
    for mark, value in replaced.items():
        text = text.replace(f'"{mark}"', value)
    if draw(st.integers(0, 4)) == 0:
        place = draw(st.sampled_from([token.start() for token in _TOKEN.finditer(text)]))
        text = (
            text[:place] + draw(st.sampled_from(['"', ",", "}", "]", "{", "x", " "])) + text[place:]
        )
    return text


def _containers(tree: Any) -> Any:
    yield tree
    for inner in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(inner, (dict, list)):
            yield from _containers(inner)

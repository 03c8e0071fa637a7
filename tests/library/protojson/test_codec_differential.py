"""The codec against `json_format`, both ways, on drawn messages and on JSON that is nearly right.

Where the two differ on purpose stands in `DEVIATIONS`, with the clause that decides it. Headings
are those of https://protobuf.dev/programming-guides/json/.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf import any_pb2, json_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import EncodeError, Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, note
from hypothesis import strategies as st
from json_wire import decoder, encoder
from polyrpc.protojson import JsonCodec, JsonError
from polyrpc.protojson.style import JsonStyle
from strategies import WRONG_VALUES, messages, mutated_texts
from testing.v1 import edition_pb2, legacy_pb2, plain_pb2, testing_pb2

TYPES = [
    testing_pb2.AllKinds.DESCRIPTOR,
    testing_pb2.MoreKinds.DESCRIPTOR,
    legacy_pb2.Defaults.DESCRIPTOR,
    legacy_pb2.Extendable.DESCRIPTOR,
    edition_pb2.Featured.DESCRIPTOR,
    plain_pb2.PlainKinds.DESCRIPTOR,
    plain_pb2.PlainMaps.DESCRIPTOR,
    plain_pb2.PlainOrder.DESCRIPTOR,
]
CODECS = {
    (names, fields, unknown): JsonCodec(
        JsonStyle(names, fields),
        ignore_unknown_fields=unknown,
    )
    for names in (True, False)
    for fields in (True, False)
    for unknown in (True, False)
}
ENCODERS = {
    (key, each.full_name): encoder(codec, each) for key, codec in CODECS.items() for each in TYPES
}
DECODERS = {
    (key[2], each.full_name): decoder(codec, each)
    for key, codec in CODECS.items()
    for each in TYPES
}
NUMBERS_IN_QUOTES = ['"1"', '" 1"', '"\\n1"', '"+1"', '"1_0"', '"01"', '"\uff11"']
LARGEST_FLOAT = 3.4028234663852886e38


@dataclass(frozen=True)
class Deviation:
    """JSON that the codec refuses and `json_format` accepts.

    Attributes:
        reason: What the codec says.
        clause: What the specification says.
        values: The wrong values of which one must stand in the text.
    """

    reason: str
    clause: str
    values: Callable[[str], bool]


def is_no_base64(value: str) -> bool:
    if not value.startswith('"'):
        return False
    data = json.loads(value)
    return not re.fullmatch(r"([A-Za-z0-9+/]*|[\w-]*)={0,2}", data, re.ASCII) or (
        data.endswith("=") and len(data) % 4 != 0
    )


DEVIATIONS = [
    Deviation(
        r"a number in the range of (float|double)",
        'Representation of each type, float: "a number or one of the special string values"; '
        "Out of range numeric values",
        {
            *("true", "false", '" 1"', '"\\n1"', '"+1"', '"1_0"', '"01"', '"\uff11"'),
            *('"inf"', '"1e400"', '"3.5e38"', "1e400"),
        }.__contains__,
    ),
    Deviation(
        r"an integer in the range of",
        'Representation of each type, int32: "a decimal number", which has neither white space nor '
        "underscores; RFC 8259 has no plus, no leading zeros, and no other digits than ASCII's",
        {'"\\n1"', '"+1"', '"1_0"', '"01"', '"\uff11"'}.__contains__,
    ),
    Deviation(
        r"a base64 string",
        "Representation of each type, bytes: "
        '"Either standard or URL-safe base64 encoding with/without paddings"',
        is_no_base64,
    ),
    Deviation(
        r"a name or number of",
        'Representation of each type, enum: "Parsers accept both enum names and integer values"',
        {
            *("true", "false", "1.0", "1.5", "1e2"),
            # json_format cuts numbers off at 32 bits where the enum is closed.
            *("4294967296", "18446744073709551616"),
            *NUMBERS_IN_QUOTES,
        }.__contains__,
    ),
    Deviation(
        r"a duration such as",
        'Well-Known Types, Duration: "any fractional digits as long as they fit into nanoseconds '
        'precision"; a sign is only ever a minus',
        {'"+1s"', '"1.0000000001s"'}.__contains__,
    ),
    Deviation(
        r"an RFC 3339 time such as",
        "Well-Known Types, Timestamp: RFC 3339, whose months have two digits",
        {'"2020-1-01T00:00:00Z"'}.__contains__,
    ),
    Deviation(
        r"expected an object",
        "Representation of each type, message: an object",
        # Told to ignore unknown fields, json_format takes any text or array for unknown fields.
        lambda value: value[0] in '"[',
    ),
    Deviation(
        r"exclude each other",
        "Null values: null is a value of NullValue; Duplicate values: one member of a oneof",
        {"null"}.__contains__,
    ),
    Deviation(
        r'only "@type" and "value" can stand here',
        "Any, special-cased well-known types; unknown fields are errors",
        lambda value: (
            value.endswith('"x":1}') or value.startswith('"') or value[0] in "-0123456789"
        ),
    ),
    Deviation(
        r"duplicate key",
        "Duplicate values: both names of a field name it",
        lambda _value: True,
    ),
    Deviation(
        r"malformed JSON: expecting value",
        "float: NaN is a string; RFC 8259 has no such literal",
        {"NaN"}.__contains__,
    ),
    Deviation(
        r"malformed JSON: half a surrogate pair",
        "string: half a surrogate pair is no text, in an ignored field neither",
        {'"\\ud800"'}.__contains__,
    ),
]


def decoded(text: str, descriptor: Descriptor, ignore_unknown_fields: bool) -> Message | JsonError:
    decode = DECODERS[ignore_unknown_fields, descriptor.full_name]
    try:
        return GetMessageClass(descriptor).FromString(decode(text.encode()))
    except JsonError as error:
        return error


def decoded_by_json_format(
    text: str, descriptor: Descriptor, ignore_unknown_fields: bool
) -> Message | Exception:
    message = GetMessageClass(descriptor)()
    try:
        json_format.Parse(text, message, ignore_unknown_fields=ignore_unknown_fields)
        message.SerializeToString()
    except (json_format.ParseError, EncodeError) as error:
        return error
    return message


def same_message(one: Message, other: Message) -> bool:
    # Equality of messages would hold NaN against them, and the order of a map inside an Any.
    return canonical(one) == canonical(other)


def canonical(message: Message) -> bytes:
    if isinstance(message, any_pb2.Any) and message.type_url:
        pool = testing_pb2.DESCRIPTOR.pool
        carried = GetMessageClass(pool.FindMessageTypeByName(message.TypeName())).FromString(
            message.value
        )
        return message.type_url.encode() + canonical(carried)
    copy = type(message)()
    copy.CopyFrom(message)
    parts = []
    for field, value in message.ListFields():
        if field.message_type is not None and not field.is_extension:
            copy.ClearField(field.name)
            if field.message_type.GetOptions().map_entry:
                entries = [(key, value[key]) for key in sorted(value)]
                values = [(k, canonical(v) if isinstance(v, Message) else v) for k, v in entries]
                parts.append(repr((field.name, values)).encode())
            else:
                each = value if field.is_repeated else [value]
                parts.append(repr((field.name, [canonical(inner) for inner in each])).encode())
    return b"|".join([copy.SerializeToString(deterministic=True), *parts])


def same_json(one: Any, other: Any) -> bool:
    """Answers whether two trees are the same; json_format rounds the largest float too far up."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    if isinstance(one, float) and abs(one) == LARGEST_FLOAT:
        return other in (one, math.copysign(3.4028235e38, one))
    return type(one) is type(other) and bool(one == other)


@pytest.mark.parametrize("descriptor", TYPES, ids=lambda each: each.name)
class TestCodecAndJsonFormatAgree:
    @given(st.data(), st.booleans(), st.booleans())
    def test_on_the_json_of_a_message(
        self, descriptor: Descriptor, data: st.DataObject, names: bool, fields: bool
    ) -> None:
        message = data.draw(messages(descriptor))
        text = ENCODERS[(names, fields, False), descriptor.full_name](message.SerializeToString())
        note(text.decode())
        theirs = json_format.MessageToDict(
            message, preserving_proto_field_name=names, always_print_fields_with_no_presence=fields
        )
        assert same_json(json.loads(text), json.loads(json.dumps(theirs)))

    @given(st.data(), st.booleans(), st.booleans())
    def test_on_the_message_of_a_json_text(
        self, descriptor: Descriptor, data: st.DataObject, names: bool, unknown: bool
    ) -> None:
        message = data.draw(messages(descriptor))
        text = ENCODERS[(names, True, False), descriptor.full_name](message.SerializeToString())
        wire = DECODERS[unknown, descriptor.full_name](text)
        theirs = decoded_by_json_format(text.decode(), descriptor, unknown)
        if isinstance(theirs, Exception):
            # It refuses the largest float as it prints it; Out of range numeric values: it fits.
            assert b"3.4028235e+38" in text
            theirs = message
        assert same_message(GetMessageClass(descriptor).FromString(wire), theirs)

    @given(st.data(), st.booleans())
    def test_on_json_that_is_nearly_right_but_for_the_listed_deviations(
        self, descriptor: Descriptor, data: st.DataObject, unknown: bool
    ) -> None:
        text = data.draw(mutated_texts(descriptor))
        theirs = decoded_by_json_format(text, descriptor, unknown)
        ours = decoded(text, descriptor, unknown)
        note(f"{ours!r} {theirs!r}")
        if isinstance(ours, JsonError):
            assert len(str(ours).splitlines()) == 1
            assert isinstance(theirs, Exception) or is_listed(str(ours), text)
        elif isinstance(theirs, Exception):
            # Null values: null is a value of NullValue, and unsets a repeated Value.
            # Well-Known Types: null is a value of wrappers.
            # Out of range numeric values: the largest float is in range as it is printed.
            nulls = r"(protobuf\.\w+Value|repeated_?null|repeated_?value).*null"
            assert re.search(nulls + r"|3\.4028235e\+38", text, re.IGNORECASE) or (
                unknown and any(value in text for value in NUMBERS_IN_QUOTES)
            )
        elif not same_message(ours, theirs):
            # JSON's -0 is a number like any other; Python reads it as the integer 0.
            # enum: a number in quotes is an unknown name; json_format takes it for the number.
            assert re.search(r"-0(?![\d.])", text) or (
                unknown and any(value in text for value in NUMBERS_IN_QUOTES)
            )


def is_listed(error: str, text: str) -> bool:
    return any(
        re.search(deviation.reason, error)
        and any(deviation.values(value) and value in text for value in WRONG_VALUES)
        for deviation in DEVIATIONS
    )

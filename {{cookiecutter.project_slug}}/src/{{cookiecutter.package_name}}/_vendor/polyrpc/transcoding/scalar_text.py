"""Field values that stand as text in paths and queries.

A value is written as the JSON string of its field would be, without the quotation marks
(https://protobuf.dev/programming-guides/json/): numbers in digits, enums by name or number,
bytes in base64 or base64url, `Timestamp`, `Duration`, `FieldMask` and the wrappers as in JSON;
booleans also in the other spellings that Go's `strconv.ParseBool` takes.

The rules are not those of `protojson`: rules are checked in builds that have no JSON parser.
"""

from __future__ import annotations

import base64
import math
import re
import struct
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

Setter = Callable[[Any, str], None]
Parser = Callable[[str], Any]

_INTEGER = re.compile(r"-?[0-9]{1,32}", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}", re.ASCII)
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"(Z|[-+]([01][0-9]|2[0-3]):[0-5][0-9])",
    re.ASCII,
)
_DURATION = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,9})?s", re.ASCII)
_FIELD_PATH = r"[A-Za-z][A-Za-z0-9]*(\.[A-Za-z][A-Za-z0-9]*)*"
_FIELD_MASK = re.compile(rf"({_FIELD_PATH}(,{_FIELD_PATH})*)?", re.ASCII)

_JSON_STRINGS = {
    "google.protobuf.Timestamp": (_TIMESTAMP, "a timestamp of RFC 3339"),
    "google.protobuf.Duration": (_DURATION, "a duration such as 1.5s"),
    "google.protobuf.FieldMask": (_FIELD_MASK, "a field mask such as title,author.name"),
}
_BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("0", "f", "F", "false", "False", "FALSE"), False),
}
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_WRAPPERS = frozenset(
    f"google.protobuf.{name}Value"
    for name in ("Bool", "Int32", "Int64", "UInt32", "UInt64", "Float", "Double", "String", "Bytes")
)


def text_setter(field: FieldDescriptor) -> Setter | None:
    """Return what sets a field of a message to a text, or adds it to a repeated field.

    Returns:
        A function of the message that has the field, and the text. It raises `ValueError`, whose
        text reads as the end of a sentence about the value. None for the messages that JSON does
        not write as a string or number, and for maps.
    """
    parse: Parser | None
    if field.message_type is not None:
        parse = _message_parser(field.message_type)
    elif field.enum_type is not None:
        parse = _enum_parser(field.enum_type)
    else:
        parse = _scalar_parser(field)
    if parse is None:
        return None

    def put(message: Any, text: str) -> None:
        value = parse(text)
        if field.is_repeated:
            getattr(message, field.name).append(value)
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(value)
        else:
            setattr(message, field.name, value)
        # A field's default alone would not make a nested message present.
        message.SetInParent()

    return put


def _scalar_parser(field: FieldDescriptor) -> Parser:
    return _parse_bytes if field.type == FieldDescriptor.TYPE_BYTES else _SCALARS[field.cpp_type]


def _message_parser(descriptor: Descriptor) -> Parser | None:
    message_class: type[Any] = GetMessageClass(descriptor)
    if descriptor.full_name in _WRAPPERS:
        parse_value = _scalar_parser(descriptor.fields_by_name["value"])
        return lambda text: message_class(value=parse_value(text))
    if descriptor.full_name in _JSON_STRINGS:
        return _json_string_parser(message_class, *_JSON_STRINGS[descriptor.full_name])
    return None


def _enum_parser(descriptor: EnumDescriptor) -> Parser:
    def parse(text: str) -> int:
        if value := descriptor.values_by_name.get(text):
            return value.number
        if _INTEGER.fullmatch(text):
            number = int(text)
            known = number in descriptor.values_by_number
            if known or (not descriptor.is_closed and -(2**31) <= number < 2**31):
                return number
        raise ValueError(f"is not a value of {descriptor.full_name}")

    return parse


def _integer_parser(low: int, high: int) -> Parser:
    def parse(text: str) -> int:
        if not _INTEGER.fullmatch(text) or not low <= (value := int(text)) <= high:
            raise ValueError(f"is not an integer from {low} to {high}")
        return value

    return parse


def _parse_bool(text: str) -> bool:
    try:
        return _BOOLEANS[text]
    except KeyError:
        raise ValueError("is not true or false") from None


def _parse_double(text: str) -> float:
    if (value := _NOT_FINITE.get(text)) is not None:
        return value
    if not _NUMBER.fullmatch(text):
        raise ValueError("is not a number")
    value = float(text)
    if math.isinf(value):
        raise ValueError("is out of range")
    return value


def _parse_float(text: str) -> float:
    value = _parse_double(text)
    try:
        struct.pack("<f", value)
    except OverflowError:
        raise ValueError("is out of range") from None
    return value


def _parse_bytes(text: str) -> bytes:
    digits = text.rstrip("=")
    if not _BASE64.fullmatch(text) or len(digits) % 4 == 1:
        raise ValueError("is not base64")
    return base64.urlsafe_b64decode(
        digits.replace("+", "-").replace("/", "_") + "=" * (-len(digits) % 4)
    )


def _json_string_parser(message_class: type[Any], syntax: re.Pattern[str], kind: str) -> Parser:
    def parse(text: str) -> Any:
        # FromJsonString alone also takes foreign digits, signs and missing zeros.
        if syntax.fullmatch(text):
            message = message_class()
            try:
                message.FromJsonString(text)
            except ValueError:
                pass  # such as a 13th month
            else:
                return message
        raise ValueError(f"is not {kind}")

    return parse


_SCALARS: dict[int, Parser] = {
    FieldDescriptor.CPPTYPE_BOOL: _parse_bool,
    FieldDescriptor.CPPTYPE_STRING: str,
    FieldDescriptor.CPPTYPE_DOUBLE: _parse_double,
    FieldDescriptor.CPPTYPE_FLOAT: _parse_float,
    FieldDescriptor.CPPTYPE_INT32: _integer_parser(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: _integer_parser(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: _integer_parser(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: _integer_parser(0, 2**64 - 1),
}

"""What writers call for values that orjson would not print as proto3 JSON has them.

Each takes a value of a message. `ValueError` says that it has no JSON form.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from datetime import datetime, timedelta
from math import copysign, isfinite, isnan
from struct import Struct
from typing import Any

from orjson import OPT_INDENT_2, dumps

from .parse_values import (
    EARLIEST_TIMESTAMP,
    LARGEST_FLOAT,
    LATEST_TIMESTAMP,
    LONGEST_DURATION,
    field_paths,
)

_EPOCH = datetime(1970, 1, 1)
_BILLION = 1_000_000_000
_pack, _unpack = Struct("<f").pack, Struct("<f").unpack
_BETWEEN = b"\x7f"
"""What is rarely in a string, and JSON writes as it is."""
_AFTER_UNDERSCORE = re.compile("_([a-z])")


def double(value: float) -> float | str:
    if isfinite(value):
        return value
    return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"


def single(value: float) -> float | str:
    return _shortest(value) if isfinite(value) else double(value)


def printed(values: list[Any]) -> list[bytes]:
    """Prints strings, numbers and the like, at least one, all at once."""
    # In lines: no string has the end of one in it.
    return dumps(values, option=OPT_INDENT_2)[4:-2].split(b",\n  ")


def printed_strings(values: list[bytes]) -> list[bytes]:
    """Prints strings in UTF-8, at least one, all at once, without the quotes around them."""
    whole = _BETWEEN.join(values)
    text = dumps(whole.decode())[1:-1]
    if len(text) == len(whole):
        # There is nothing in them that JSON writes in another way.
        return values
    parts = text.split(_BETWEEN)
    return parts if len(parts) == len(values) else [dumps(each.decode())[1:-1] for each in values]


def printed_numbers(values: list[Any]) -> list[bytes]:
    """Prints numbers, all finite, or `bool`s, at least one, all at once."""
    return dumps(values)[1:-1].split(b",")


def printed_doubles(values: list[float]) -> list[bytes]:
    # No sum with one that is not finite is finite.
    if isfinite(sum(values)):
        return printed_numbers(values)
    return printed([double(each) for each in values])


def is_not_zero(value: float) -> bool:
    """Answers whether a number without presence is set; minus zero is."""
    return value != 0 or copysign(1, value) < 0


def base64(value: bytes) -> str:
    return b2a_base64(value, newline=False).decode()


def timestamp(value: Any) -> str:
    """Prints an RFC 3339 time with as many digits as three, six or nine hold."""
    seconds, nanos = value.seconds, value.nanos
    if not (EARLIEST_TIMESTAMP <= seconds <= LATEST_TIMESTAMP and 0 <= nanos < _BILLION):
        raise ValueError("a Timestamp is out of range")
    return f"{(_EPOCH + timedelta(0, seconds)).isoformat()}{_fraction(nanos)}Z"


def duration(value: Any) -> str:
    """Prints seconds such as `-1.500s`."""
    seconds, nanos = value.seconds, value.nanos
    sign = "-" if seconds < 0 or nanos < 0 else ""
    if sign:
        seconds, nanos = -seconds, -nanos
    if not (0 <= seconds <= LONGEST_DURATION and 0 <= nanos < _BILLION):
        raise ValueError("a Duration is out of range")
    return f"{sign}{seconds}{_fraction(nanos)}s"


def field_mask(value: Any) -> str:
    """Prints field paths such as `title,author.firstName`."""
    paths = list(value.paths)
    text = ",".join(_AFTER_UNDERSCORE.sub(lambda match: match[1].upper(), path) for path in paths)
    if field_paths(text) != paths:
        raise ValueError("a FieldMask has a path that JSON would change")
    return text


def struct(value: Any) -> dict[str, Any]:
    fields = value.fields
    return {key: json_value(fields[key]) for key in fields}


def list_value(value: Any) -> list[Any]:
    return [json_value(each) for each in value.values]


def json_value(value: Any) -> Any:
    """Answers what a `google.protobuf.Value` holds; nothing is null."""
    # The most frequent ones first, and those that can be told by their value.
    if text := value.string_value:
        return text
    if value.HasField("number_value"):
        number = value.number_value
        if not isfinite(number):
            raise ValueError("a Value is no JSON number")
        return number
    if value.HasField("struct_value"):
        return struct(value.struct_value)
    if value.HasField("list_value"):
        return list_value(value.list_value)
    if value.HasField("bool_value"):
        return value.bool_value
    return "" if value.HasField("string_value") else None


def _fraction(nanos: int) -> str:
    if not nanos:
        return ""
    if nanos % 1_000_000 == 0:
        return f".{nanos // 1_000_000:03}"
    if nanos % 1_000 == 0:
        return f".{nanos // 1_000:06}"
    return f".{nanos:09}"


def _shortest(value: float) -> float:
    """Answers the number of six or, if need be, more digits that is `value` rounded to 32 bits."""
    for form in ("%.6g", "%.7g", "%.8g", "%.9g"):
        candidate = float(form % value)
        # Parsers compare with the largest float before they round.
        if abs(candidate) <= LARGEST_FLOAT and _unpack(_pack(candidate))[0] == value:
            return candidate
    return value

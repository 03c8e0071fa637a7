"""Reads single JSON values as protobuf has them, for compiled functions and for the strict reader.

What a function does not take it refuses with an exception: `UnsupportedError`, `ValueError`,
`TypeError`, `LookupError` or `ArithmeticError`. Where a compiled function has another one than the
strict reader, it takes less, of what orjson has parsed: it is quicker, and leaves the rest.
"""

from __future__ import annotations

import math
import re
import struct
from binascii import a2b_base64
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import repeat
from typing import Any

from orjson import dumps, loads

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?").fullmatch
_INTEGER_KEY = re.compile(r"0|-?[1-9][0-9]{0,19}").fullmatch
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.([0-9]{1,9}))?"
    r"(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
).fullmatch
_DURATION = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,9}))?s").fullmatch
_BOOLEAN_KEYS = {"true": True, "false": False}
_INTEGERS = {int, type(None)}
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_STANDARD_BASE64 = str.maketrans("-_", "+/")
_EPOCH = datetime(1970, 1, 1)
EARLIEST_TIMESTAMP, LATEST_TIMESTAMP = -62_135_596_800, 253_402_300_799
"""Seconds since 1970 of the first and the last one of the years 1 to 9999."""
LONGEST_DURATION = 315_576_000_000
"""Seconds, about 10,000 years."""
LARGEST_FLOAT: float = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]
"""The largest number of 32 bits."""
_SMALLEST_FLOAT = -LARGEST_FLOAT
_INFINITY, _MINUS_INFINITY = math.inf, -math.inf
_ROUNDED_UP = 3.4028235677973366e38
"""The least number that rounds to infinity, half a step above the largest float."""
_LONGEST_INTEGER = 20
"""Digits of the largest integer of 64 bits."""


class UnsupportedError(Exception):
    """A value is not what it should be, or a compiled function is not sure of it."""


def use_json_names(tree: dict[str, Any], json_names: dict[str, str]) -> None:
    """Renames the keys of `tree` that are names of the `.proto` file."""
    for name, json_name in json_names.items():
        if name in tree:
            if json_name in tree:
                raise UnsupportedError
            tree[json_name] = tree.pop(name)


def given(value: Any) -> Any:
    """Refuses null where a constructor would take it for nothing."""
    if value is None:
        raise UnsupportedError
    return value


def text(value: Any) -> Any:
    if value.__class__ is str:
        return value
    raise UnsupportedError


def boolean(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise UnsupportedError


def integer(value: Any) -> Any:
    """Reads an integer, be it in quotes; protobuf refuses what else is none, or too large."""
    if value.__class__ is not str:
        return given(value)
    if value.isdigit() and value.isascii() and value[0] != "0":
        return int(value)
    match = _NUMBER(value)
    if match is None:
        raise UnsupportedError
    if match[1] is None and match[2] is None:
        return int(value)
    number = Decimal(value)
    if number and (number.adjusted() >= _LONGEST_INTEGER or number != number.to_integral_value()):
        raise UnsupportedError
    return int(number)


def with_integers(
    trees: Collection[dict[str, Any]], keys: Iterable[str]
) -> Iterator[tuple[Any, ...]] | None:
    """Answers each tree with the integers under some keys, or None where that is of no help.

    An integer is one in quotes, or None, for something else, or nothing, to be looked at there.
    """
    first = next(iter(trees))
    columns = [
        _integers([tree.get(key, "null") for tree in trees])
        if first.get(key).__class__ is str
        else None
        for key in keys
    ]
    if not any(columns):
        return None
    return zip(trees, *(column or repeat(None) for column in columns), strict=False)


def _integers(texts: list[Any]) -> list[int | None] | None:
    """Reads integers and nulls by one call of a parser; None where they are not all plain."""
    try:
        text = f"[{','.join(texts)}]"
        numbers: list[int | None] = loads(text)
    except (TypeError, ValueError):
        return None
    # One for each, as it is printed: without white space, fractions and exponents.
    is_plain = len(numbers) == len(texts) and _INTEGERS.issuperset(map(type, numbers))
    return numbers if is_plain and dumps(numbers) == text.encode() else None


def any_integer(value: Any) -> Any:
    """As `integer`, with a fraction of zero or an exponent as well; not after orjson.

    It reads integers of more than 64 bits as floats, which can be near enough to one of 64.
    """
    if value.__class__ is str:
        # The most frequent ones without a further call.
        if value.isdigit() and value.isascii() and value[0] != "0":
            return int(value)
        return integer(value)
    if value.__class__ is float and value.is_integer():
        return int(value)
    if value.__class__ is not int:
        raise UnsupportedError
    return value


def double(value: Any, zeros: list[object]) -> float:
    if value.__class__ is float:
        return float(value)
    if value.__class__ is not int:
        raise UnsupportedError
    if not value:
        # orjson reads -0 as the integer 0.
        zeros.append(value)
    return float(value)


def single(value: Any, zeros: list[object]) -> float:
    number = double(value, zeros)
    if abs(number) > LARGEST_FLOAT:
        raise UnsupportedError
    return number


def any_double(value: Any) -> Any:
    """Reads a number in every form, in quotes and not finite too."""
    if value.__class__ is float and _MINUS_INFINITY < value < _INFINITY:
        return value
    if value.__class__ is str:
        if value in _NOT_FINITE:
            return _NOT_FINITE[value]
        if _NUMBER(value) is None:
            raise UnsupportedError
    elif value.__class__ is not int:
        raise UnsupportedError
    number = float(value)
    if not math.isfinite(number):
        raise UnsupportedError
    return number


def any_single(value: Any) -> Any:
    """As `any_double`, in the range of 32 bits, with all that rounds to the largest float."""
    if value.__class__ is float and _SMALLEST_FLOAT <= value <= LARGEST_FLOAT:
        return value
    number = any_double(value)
    if LARGEST_FLOAT < abs(number) < math.inf:
        if abs(number) >= _ROUNDED_UP:
            raise UnsupportedError
        # Most runtimes print 3.4028235e+38 for it.
        return math.copysign(LARGEST_FLOAT, number)
    return number


def octets(value: Any) -> bytes:
    """Reads base64 of either alphabet, with all of its padding or none."""
    if value.__class__ is not str:
        raise UnsupportedError
    if "-" in value or "_" in value:
        if "+" in value or "/" in value:
            raise UnsupportedError
        value = value.translate(_STANDARD_BASE64)
    if len(value) % 4:
        if "=" in value:
            raise UnsupportedError
        value += "=" * (-len(value) % 4)
    return a2b_base64(value, strict_mode=True)


def integer_key(key: str) -> int:
    """Reads the key of a map in the one form that each integer is printed in."""
    if _INTEGER_KEY(key) is None:
        raise UnsupportedError
    return int(key)


def boolean_key(key: str) -> bool:
    return _BOOLEAN_KEYS[key]


def timestamp(value: Any) -> dict[str, int]:
    """Reads an RFC 3339 time."""
    match = _TIMESTAMP(value)
    if match is None:
        raise UnsupportedError
    since = datetime.fromisoformat(value[:19]) - _EPOCH
    seconds = since.days * 86_400 + since.seconds
    if sign := match[2]:
        offset = int(match[3]) * 3600 + int(match[4]) * 60
        seconds += offset if sign == "-" else -offset
        if not EARLIEST_TIMESTAMP <= seconds <= LATEST_TIMESTAMP:
            raise UnsupportedError
    return {"seconds": seconds, "nanos": _nanos(match[1])}


def duration(value: Any) -> dict[str, int]:
    """Reads seconds such as `-1.5s`."""
    match = _DURATION(value)
    if match is None:
        raise UnsupportedError
    sign = -1 if match[1] else 1
    seconds, nanos = int(match[2]), _nanos(match[3])
    if seconds > LONGEST_DURATION:
        raise UnsupportedError
    return {"seconds": sign * seconds, "nanos": sign * nanos}


def field_paths(value: Any) -> list[str]:
    """Reads field paths such as `title,author.firstName` as the names of the `.proto` file."""
    if value.__class__ is not str or "_" in value:
        raise UnsupportedError
    return _UPPER_CASE.sub(lambda match: f"_{match[0].lower()}", value).split(",") if value else []


_UPPER_CASE = re.compile("[A-Z]")


def _nanos(fraction: str | None) -> int:
    return int(fraction.ljust(9, "0")) if fraction else 0

"""What compiled readers call for values that protobuf's constructors would not take as they are.

Each takes a value that orjson has parsed and raises an exception of any kind, mostly
`UncoveredError`, for what is not plain, be it wrong or only rare.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from datetime import datetime
from typing import Any

from .float32 import LARGEST_FLOAT

_INTEGER = re.compile(r"-?[0-9]{1,20}").fullmatch
_INTEGER_KEY = re.compile(r"0|-?[1-9][0-9]{0,19}").fullmatch
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.([0-9]{1,9}))?Z"
).fullmatch
_DURATION = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,9}))?s").fullmatch
_BOOLEAN_KEYS = {"true": True, "false": False}
_EPOCH = datetime(1970, 1, 1)
LONGEST_DURATION = 315_576_000_000
"""Seconds, about 10,000 years."""


class UncoveredError(Exception):
    """A compiled function is not sure of what it was given."""


def use_json_names(tree: dict[str, Any], json_names: dict[str, str]) -> None:
    """Renames the keys of `tree` that are names of the `.proto` file."""
    for name, json_name in json_names.items():
        if name in tree:
            if json_name in tree:
                raise UncoveredError
            tree[json_name] = tree.pop(name)


def given(value: Any) -> Any:
    """Refuses null where a constructor would take it for nothing."""
    if value is None:
        raise UncoveredError
    return value


def boolean(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise UncoveredError


def integer(value: Any) -> Any:
    """Reads a quoted integer; constructors refuse what else is none."""
    if value.__class__ is str:
        if not (value.isdigit() and value.isascii()) and _INTEGER(value) is None:
            raise UncoveredError
        return int(value)
    return given(value)


def double(value: Any, zeros: list[object]) -> float:
    if value.__class__ is float:
        return float(value)
    if value.__class__ is not int:
        raise UncoveredError
    if not value:
        # orjson reads -0 as the integer 0.
        zeros.append(value)
    return float(value)


def single(value: Any, zeros: list[object]) -> float:
    number = double(value, zeros)
    if abs(number) > LARGEST_FLOAT:
        raise UncoveredError
    return number


def octets(value: Any) -> bytes:
    """Reads standard base64 with padding."""
    if len(value) % 4:  # more padding than there must be
        raise UncoveredError
    return a2b_base64(value, strict_mode=True)


def integer_key(key: str) -> int:
    """Reads the key of a map, of which there is one form for each integer."""
    if _INTEGER_KEY(key) is None:
        raise UncoveredError
    return int(key)


def boolean_key(key: str) -> bool:
    return _BOOLEAN_KEYS[key]


def timestamp(value: Any) -> dict[str, int]:
    """Reads an RFC 3339 time in UTC."""
    match = _TIMESTAMP(value)
    if match is None:
        raise UncoveredError
    since = datetime.fromisoformat(value[:19]) - _EPOCH
    return {"seconds": since.days * 86_400 + since.seconds, "nanos": _nanos(match[1])}


def duration(value: Any) -> dict[str, int]:
    """Reads seconds such as `-1.5s`."""
    match = _DURATION(value)
    if match is None:
        raise UncoveredError
    sign = -1 if match[1] else 1
    seconds, nanos = int(match[2]), _nanos(match[3])
    if seconds >= LONGEST_DURATION:
        raise UncoveredError
    return {"seconds": sign * seconds, "nanos": sign * nanos}


def _nanos(fraction: str | None) -> int:
    return int(fraction.ljust(9, "0")) if fraction else 0

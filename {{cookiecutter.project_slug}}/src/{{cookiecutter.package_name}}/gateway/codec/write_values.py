"""What compiled writers call for values that orjson would not print as proto3 JSON has them.

Each takes a value of a message. `ValueError` says that it has no JSON form.
"""

from __future__ import annotations

from binascii import b2a_base64
from datetime import datetime, timedelta
from math import copysign, isfinite, isnan

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from .float32 import shortest
from .read_values import LONGEST_DURATION

_EPOCH = datetime(1970, 1, 1)
_EARLIEST, _LATEST = -62_135_596_800, 253_402_300_799
_BILLION = 1_000_000_000


def double(value: float) -> float | str:
    if isfinite(value):
        return value
    return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"


def single(value: float) -> float | str:
    return shortest(value) if isfinite(value) else double(value)


def is_not_zero(value: float) -> bool:
    """Answers whether a number without presence is set; minus zero is."""
    return value != 0 or copysign(1, value) < 0


def base64(value: bytes) -> str:
    return b2a_base64(value, newline=False).decode()


def timestamp(value: Timestamp) -> str:
    """Prints an RFC 3339 time with as many digits as three, six or nine hold."""
    seconds, nanos = value.seconds, value.nanos
    if not (_EARLIEST <= seconds <= _LATEST and 0 <= nanos < _BILLION):
        raise ValueError("no RFC 3339 time")
    return f"{(_EPOCH + timedelta(0, seconds)).isoformat()}{_fraction(nanos)}Z"


def duration(value: Duration) -> str:
    """Prints seconds such as `-1.500s`."""
    seconds, nanos = value.seconds, value.nanos
    sign = "-" if seconds < 0 or nanos < 0 else ""
    if sign:
        seconds, nanos = -seconds, -nanos
    if not (0 <= seconds <= LONGEST_DURATION and 0 <= nanos < _BILLION):
        raise ValueError("no duration")
    return f"{sign}{seconds}{_fraction(nanos)}s"


def _fraction(nanos: int) -> str:
    if not nanos:
        return ""
    if nanos % 1_000_000 == 0:
        return f".{nanos // 1_000_000:03}"
    if nanos % 1_000 == 0:
        return f".{nanos // 1_000:06}"
    return f".{nanos:09}"

"""32-bit floats: the largest one, and their shortest text."""

from __future__ import annotations

import struct

LARGEST_FLOAT: float = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]
_pack, _unpack = struct.Struct("<f").pack, struct.Struct("<f").unpack


def shortest(value: float) -> float:
    """Answers the number of six or, if need be, more digits that is `value` rounded to 32 bits."""
    for form in ("%.6g", "%.7g", "%.8g", "%.9g"):
        candidate = float(form % value)
        # Parsers compare with the largest float before they round.
        if abs(candidate) <= LARGEST_FLOAT and _unpack(_pack(candidate))[0] == value:
            return candidate
    return value

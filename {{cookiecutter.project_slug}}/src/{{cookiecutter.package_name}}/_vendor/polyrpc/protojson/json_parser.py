"""Parses JSON text as RFC 8259 has it, and names the position of what is none.

Python's parser does the work: of those at hand it alone shows repeated keys. What it takes beyond
the specification is refused here.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from .errors import JsonError

_MINUS_ZERO = re.compile(rb"-0[,\]}\s]")
_LONE_SURROGATE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]"
)
_STRING_OR_CONSTANT = re.compile('"[^"]*"|NaN|-?Infinity')
_LONGEST_NUMBER = 400
"""Digits; an integer of more is out of the range of every type."""


class RepeatedKey(dict[str, Any]):
    """A JSON object in which a key is repeated, so that nobody may take it for an object."""

    key = ""


class _ConstantError(Exception):
    """A text has NaN or Infinity where JSON has no such thing."""


def parse(text: bytes) -> Any:
    """Parses JSON; an object in which a key is repeated becomes a `RepeatedKey`.

    Raises:
        JsonError: It is none; its text names the position.
        RecursionError: It is nested too deeply.
    """
    try:
        string = text.decode()
    except UnicodeDecodeError as error:
        raise _malformed("no UTF-8", text[: error.start].decode()) from None
    try:
        tree = _PRECISE.decode(string) if _MINUS_ZERO.search(text) else _decode(string)
    except json.JSONDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
        raise _malformed(reason, string[: error.pos]) from None
    except _ConstantError:
        raise _malformed("expecting value", string[: _find_constant(string)]) from None
    if "\\u" in string:
        # Python takes half a pair for a character.
        lone = _LONE_SURROGATE.search(string.replace("\\\\", "  "))
        if lone is not None:
            raise _malformed("half a surrogate pair", string[: lone.start()])
    return tree


def _decode(string: str) -> Any:
    try:
        return _QUICK.decode(string)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # Python reads no integer of more than 4300 digits.
        return _PRECISE.decode(string)


def _find_constant(string: str) -> int:
    """Answers the first place of NaN or Infinity outside of the strings of a JSON text."""
    plain = string.replace("\\\\", "  ").replace('\\"', "  ")
    found = (match for match in _STRING_OR_CONSTANT.finditer(plain) if match[0][0] != '"')
    return next(found).start()


def _malformed(reason: str, before: str) -> JsonError:
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return JsonError(f"malformed JSON: {reason}", line, column)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) == len(pairs):
        return tree
    repeated = RepeatedKey(tree)
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            repeated.key = key
            break
        seen.add(key)
    return repeated


def _refuse_constant(_name: str) -> NoReturn:
    raise _ConstantError


def _precise_integer(digits: str) -> int | float:
    if digits == "-0":
        return -0.0
    return int(digits) if len(digits) <= _LONGEST_NUMBER else math.inf


_QUICK = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)
_PRECISE = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_refuse_constant, parse_int=_precise_integer
)

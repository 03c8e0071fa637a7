"""Parses JSON text as RFC 8259 has it, and names the position of what is none.

orjson does the work where it shows all that a text says. It hides repeated keys, minus zero and
the digits of large integers, and names faults as its version pleases: where there may be such,
Python's slower parser reads the text. What that takes beyond the specification is refused here.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from orjson import JSONDecodeError, JSONEncodeError, dumps, loads

from .errors import JsonError

MINUS_ZERO = re.compile(rb"-0(?![.eE\d])")
"""How the integer minus zero looks, which is also found where there is none."""
_ALTERED_NUMBER = re.compile(rb"-(?:0(?![.eE\d])|922337203685477)")
"""Numbers that orjson may alter: minus zero, and integers a little too small for 64 bits.

As a float such an integer is the smallest one; at the other end the float is too large as well.
"""
# Begins with what it is searched by: that is ten times as quick as to try each character.
_LONE_SURROGATE = re.compile(
    r"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    r"|[c-fC-F](?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F]))"
)
_CONSTANTS = ("NaN", "Infinity", "-Infinity")
_STRING_OR_CONSTANT = re.compile('"[^"]*"|NaN|-?Infinity')
_LONGEST_NUMBER = 400
"""Digits; an integer of more is out of the range of every type."""


class RepeatedKey(dict[str, Any]):
    """A JSON object in which a key is repeated, so that nobody may take it for an object."""

    key = ""


class _ConstantError(Exception):
    """A text has NaN or Infinity where JSON has no such thing."""


def parse(text: bytes, refused_at: int | None = None) -> Any:
    """Parses JSON; an object in which a key is repeated becomes a `RepeatedKey`.

    Args:
        text: The JSON.
        refused_at: The position in which orjson is known to refuse it.

    Raises:
        JsonError: It is none; its text names the position.
        RecursionError: It is nested too deeply.
    """
    if refused_at is None:
        try:
            tree = loads(text)
        except JSONDecodeError as error:
            refused_at = error.pos
    if refused_at is not None:
        tree = _decode(text, _PLAIN, refused_at)
    if _shows_all(tree, text):
        return tree
    del tree
    has_minus_zero = b"-" in text and MINUS_ZERO.search(text)
    return _decode(text, _PRECISE if has_minus_zero else _EXACT)


def _shows_all(tree: Any, text: bytes) -> bool:
    """Answers whether what a quick parser made of a text is all that it says."""
    # A single character is found much sooner than two.
    if b"-" in text and _ALTERED_NUMBER.search(text):
        return False
    if b"\\" in text and b"\\u" in text:
        return False
    try:
        # Of repeated keys it has dropped all but one. No escape hides a colon in either text.
        return dumps(tree).count(b":") == text.count(b":")
    except JSONEncodeError:
        return False  # It prints no deep nesting, and no large integers.


def _decode(text: bytes, decoder: json.JSONDecoder, refused_at: int | None = None) -> Any:
    """Parses JSON by Python's parser, and refuses what that takes beyond the specification."""
    try:
        string = text.decode()
    except UnicodeDecodeError as error:
        raise _malformed("no UTF-8", text[: error.start].decode()) from None
    if refused_at is not None:
        _refuse_excess(string, refused_at)
    try:
        tree = decoder.decode(string)
    except json.JSONDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
        raise _malformed(reason, string[: error.pos]) from None
    except _ConstantError:
        raise _malformed("expecting value", string[: _find_constant(string)]) from None
    except ValueError:
        # Python reads no integer of more than 4300 digits.
        return _decode(text, _PRECISE)
    if "\\" in string and "\\u" in string:
        lone = _LONE_SURROGATE.search(string.replace("\\\\", "  "))
        if lone is not None:
            raise _malformed("half a surrogate pair", string[: lone.start()])
    return tree


def _refuse_excess(string: str, position: int) -> None:
    """Refuses what Python's parser takes for JSON, if orjson has stopped there."""
    if string.startswith(_CONSTANTS, position):
        start = position - (string[position - 1 : position] == "-")
        raise _malformed("expecting value", string[:start])
    if _LONE_SURROGATE.match(string, position):
        raise _malformed("half a surrogate pair", string[:position])


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


_PLAIN = json.JSONDecoder(parse_constant=_refuse_constant)
_EXACT = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_object)
_PRECISE = json.JSONDecoder(
    parse_constant=_refuse_constant, object_pairs_hook=_object, parse_int=_precise_integer
)

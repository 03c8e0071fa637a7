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


def parse(text: bytes) -> Any:
    """Parses JSON; an object in which a key is repeated becomes a `RepeatedKey`.

    Raises:
        JsonError: It is none; its text names the position.
        RecursionError: It is nested too deeply.
    """
    stopped_at = 0
    try:
        tree = loads(text)
        if _shows_all(tree, text):
            return tree
    except JSONDecodeError as error:
        stopped_at = error.pos
    return _parse_exactly(text, stopped_at)


def _shows_all(tree: Any, text: bytes) -> bool:
    """Answers whether what orjson made of a text is all that it says."""
    # A single character is found much sooner than two.
    if b"-" in text and _ALTERED_NUMBER.search(text):
        return False
    if b"\\" in text and b"\\u" in text:
        return False
    try:
        # Of repeated keys it has dropped all but one. No escape hides a colon in either text.
        return dumps(tree).count(b":") == text.count(b":")
    except JSONEncodeError:
        return False  # Nested more deeply than it prints.


def _parse_exactly(text: bytes, orjson_stopped_at: int) -> Any:
    try:
        string = text.decode()
    except UnicodeDecodeError as error:
        raise _malformed("no UTF-8", text[: error.start].decode()) from None
    try:
        tree = _PRECISE.decode(string) if MINUS_ZERO.search(text) else _decode(string)
    except json.JSONDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
        raise _malformed(reason, string[: error.pos]) from None
    except _ConstantError:
        start = _find_constant(string, orjson_stopped_at)
        raise _malformed("expecting value", string[:start]) from None
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


def _find_constant(string: str, guess: int) -> int:
    """Answers the first place of NaN or Infinity outside of the strings of a JSON text."""
    if string.startswith(_CONSTANTS, guess):
        return guess - (string[guess - 1 : guess] == "-")
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

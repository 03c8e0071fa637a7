"""What is wrong with a JSON value, and the path to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .errors import one_line
from .json_parser import RepeatedKey
from .parse_values import UnsupportedError

REFUSED = (UnsupportedError, ValueError, TypeError, LookupError, ArithmeticError)
"""What `parse_values` and protobuf raise for a value that is not of its type."""


class FaultError(Exception):
    """What is wrong, and where; its text is one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self._reason = reason
        self._steps: list[str] = []

    def inside(self, step: str) -> FaultError:
        """Puts a step, such as `.name` or `[2]`, in front of the path to what is wrong."""
        self._steps.append(step)
        return self

    def __str__(self) -> str:
        path = one_line("".join(reversed(self._steps)).removeprefix("."))
        return f"{path}: {self._reason}" if path else self._reason


class IgnoredError(Exception):
    """A value is an unknown name of an enum, and those are ignored."""


def member(key: str) -> str:
    """Answers the step to a field."""
    return f".{shown(key)}"


def entry(key: str) -> str:
    """Answers the step to what a map has for a key."""
    return f'["{shown(key)}"]'


def shown(key: str) -> str:
    """Answers a key fit for one line."""
    short = key if len(key) <= 100 else f"{key[:100]}..."
    return short if short.isprintable() else json.dumps(short)[1:-1]


def no_object(value: Any, reason: str, step: Callable[[str], str] = member) -> FaultError:
    """Answers what is wrong with a value that is no object, or one in which a key is repeated."""
    if isinstance(value, RepeatedKey):
        return FaultError("duplicate key").inside(step(value.key))
    return FaultError(reason)

"""The request id: taken from the caller or made here, in every log line, returned to the caller.

Over HTTP it is the response header `x-request-id`, errors included. Over gRPC it is in the
trailing metadata, which every call ends with anyway: initial metadata of its own would be one more
operation of gRPC's core, a fifth of what a small call costs.
"""

from __future__ import annotations

import os
import re
from typing import Any

from ..logs import REQUEST_ID

KEY = "x-request-id"

_HEADER = KEY.encode("ascii")
_ACCEPTED = re.compile(r"[\x21-\x7e]{1,128}")
_ACCEPTED_BYTES = re.compile(rb"[\x21-\x7e]{1,128}")
_BYTES = 16
_MADE_AT_ONCE = 256

_made: list[str] = []


def request_id() -> str | None:
    """The id of the call that the running task serves; None outside of calls."""
    return REQUEST_ID.get() or None


def adopt_metadata(context: Any) -> str:
    """Takes the id from a native call's metadata, or makes one, for the rest of its task."""
    for key, value in context.invocation_metadata() or ():
        if key == KEY and isinstance(value, str) and _ACCEPTED.fullmatch(value):
            REQUEST_ID.set(value)
            return value
    return _adopt_new()


def adopt_header(context: Any) -> str:
    """Does the same for whatever comes over HTTP."""
    value = context.header(_HEADER)
    if value is None or _ACCEPTED_BYTES.fullmatch(value) is None:
        return _adopt_new()
    identity: str = value.decode("ascii")
    REQUEST_ID.set(identity)
    return identity


def in_trailers(context: Any, request_id: str) -> None:
    """Has the id returned to a native caller."""
    context.add_trailer(KEY, request_id)


def in_headers(context: Any, request_id: str) -> None:
    """Has the id returned to a caller over HTTP."""
    context.add_header(_HEADER, request_id.encode("ascii"))


def _adopt_new() -> str:
    try:
        value = _made.pop()
    except IndexError:
        value = _make()
    REQUEST_ID.set(value)
    return value


def _make() -> str:
    # Nobody can guess them, as they are the system's random numbers; but it is asked for many at
    # a time, as that costs hardly more than one.
    digits = os.urandom(_BYTES * _MADE_AT_ONCE).hex()
    length = 2 * _BYTES
    _made.extend(digits[at : at + length] for at in range(0, len(digits), length))
    return _made.pop()


if hasattr(os, "register_at_fork"):  # not on Windows, where no process can have the same ones
    os.register_at_fork(after_in_child=_made.clear)

"""The request id: taken from the caller or made here, in every log line, returned to the caller.

Over HTTP it is the response header `x-request-id`, errors included. Over gRPC it is in the
trailing metadata, which every call ends with anyway: initial metadata of its own would be one more
operation of gRPC's core, a fifth of what a small call costs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any, NoReturn

import grpc

from ..logs import REQUEST_ID
from ..rpc.handlers import Context

KEY = "x-request-id"

_HEADER = KEY.encode("ascii")
_ACCEPTED = re.compile(r"[\x21-\x7e]{1,128}")
_ACCEPTED_BYTES = re.compile(rb"[\x21-\x7e]{1,128}")
_BYTES = 16
_MADE_AT_ONCE = 256

_made: list[str] = []

Metadata = Iterable[tuple[str, str | bytes]]


def request_id() -> str | None:
    """The id of the call that the running task serves; None outside of calls."""
    return REQUEST_ID.get() or None


def adopt(metadata: Metadata) -> str:
    """Takes the id from a call's invocation metadata, or makes one, for the rest of its task."""
    for key, value in metadata:
        if key == KEY and isinstance(value, str) and _ACCEPTED.fullmatch(value):
            break
    else:
        try:
            value = _made.pop()
        except IndexError:
            value = _make()
    REQUEST_ID.set(value)
    return value


def adopt_header(context: Any) -> str:
    """Does what `adopt` does for a call over HTTP, whose context is the gateway's own."""
    value = context.header(_HEADER)
    if value is None or _ACCEPTED_BYTES.fullmatch(value) is None:
        return adopt(())
    identity: str = value.decode("ascii")
    REQUEST_ID.set(identity)
    return identity


def in_headers(context: Context, request_id: str) -> Context:
    """Has the id returned to a caller over HTTP; gives the context that the handler is to have."""
    # Only the gateway's own context knows how.
    http_context: Any = context
    http_context.add_header(_HEADER, request_id.encode("ascii"))
    return context


class InTrailers:
    """The context of a native call, whose trailing metadata get the request id.

    Args:
        context: The context as it comes from `grpc.aio`.
        request_id: The id.
    """

    __slots__ = ("_context", "_entry")

    def __init__(self, context: Context, request_id: str) -> None:
        self._context = context
        self._entry = (KEY, request_id)
        context.set_trailing_metadata((self._entry,))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def code(self) -> Any:
        # Asked for in every call: without this it would go by way of `__getattr__`.
        return self._context.code()

    def set_trailing_metadata(self, trailing_metadata: Metadata) -> None:
        self._context.set_trailing_metadata((*trailing_metadata, self._entry))

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Metadata = ()
    ) -> NoReturn:
        trailing_metadata = tuple(trailing_metadata)
        if trailing_metadata:
            # They replace what was set before.
            trailing_metadata = (*trailing_metadata, self._entry)
        await self._context.abort(code, details, trailing_metadata)

    async def abort_with_status(self, status: grpc.Status) -> NoReturn:
        await self.abort(status.code, status.details, status.trailing_metadata or ())


def _make() -> str:
    # Nobody can guess them, as they are the system's random numbers; but it is asked for many at
    # a time, as that costs hardly more than one.
    digits = os.urandom(_BYTES * _MADE_AT_ONCE).hex()
    length = 2 * _BYTES
    _made.extend(digits[at : at + length] for at in range(0, len(digits), length))
    return _made.pop()


if hasattr(os, "register_at_fork"):  # not on Windows, where no process can have the same ones
    os.register_at_fork(after_in_child=_made.clear)

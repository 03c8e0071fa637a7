"""The request id: taken from the caller or made here, in every log line, returned to the caller.

Over HTTP it is the response header `x-request-id`, errors included. Over gRPC it is in the
trailing metadata, which every call ends with anyway: initial metadata of its own would be one more
operation of gRPC's core, a fifth of what a small call costs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextvars import ContextVar
from os import urandom
from typing import Any, NoReturn

import grpc
from structlog.contextvars import bind_contextvars

KEY = "x-request-id"

_ACCEPTED = re.compile(r"[\x21-\x7e]{1,128}")

_current: ContextVar[str] = ContextVar("request_id", default="")

Metadata = Iterable[tuple[str, str | bytes]]


def request_id() -> str:
    """The id of the call that the running task serves; empty outside of calls."""
    return _current.get()


def adopt(metadata: Metadata) -> None:
    """Takes the id from a call's invocation metadata, or makes one, for the rest of its task."""
    for key, value in metadata:
        if key == KEY and isinstance(value, str) and _ACCEPTED.fullmatch(value):
            break
    else:
        value = urandom(16).hex()
    _current.set(value)
    bind_contextvars(request_id=value)


class IdInTrailers:
    """The context of a native call, whose trailing metadata get the request id.

    Args:
        context: The context as it comes from `grpc.aio`.
        request_id: The id.
    """

    __slots__ = ("_context", "_entry")

    def __init__(self, context: grpc.aio.ServicerContext[Any, Any], request_id: str) -> None:
        self._context = context
        self._entry = (KEY, request_id)
        context.set_trailing_metadata((self._entry,))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

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

    async def complete(self) -> None:
        """Makes sure that the id is returned; it already is."""


class IdInHeaders:
    """The context of a call over HTTP, whose initial metadata get the request id.

    Args:
        context: The context as it comes from the gateway.
        request_id: The id.
    """

    __slots__ = ("_context", "_entry", "_returned")

    def __init__(self, context: grpc.aio.ServicerContext[Any, Any], request_id: str) -> None:
        self._context = context
        self._entry = (KEY, request_id)
        self._returned = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def send_initial_metadata(self, initial_metadata: Metadata) -> None:
        await self._context.send_initial_metadata((*initial_metadata, self._entry))
        self._returned = True

    async def write(self, message: Any) -> None:
        if not self._returned:
            await self.complete()
        await self._context.write(message)

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Metadata = ()
    ) -> NoReturn:
        await self.complete()
        await self._context.abort(code, details, tuple(trailing_metadata))

    async def abort_with_status(self, status: grpc.Status) -> NoReturn:
        await self.abort(status.code, status.details, status.trailing_metadata or ())

    async def complete(self) -> None:
        """Makes sure that the id is returned, where the servicer sent no metadata with it."""
        if not self._returned and not self._context.done():
            await self.send_initial_metadata(())

"""The HTTP response of a call: one JSON text, or a stream of them in the framing asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

import grpc

from .context import HttpServicerContext
from .metadata import Metadata, response_headers
from .response_framing import Framing
from .status import CallFailed, error_body

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Encoder = Callable[[Any], bytes]
"""A message to JSON text."""

_CONTENT_TYPE, _CONTENT_LENGTH = b"content-type", b"content-length"
_JSON = (_CONTENT_TYPE, b"application/json")
# What callers put into a message comes back in some; no browser shall take that for a page.
_NO_SNIFFING = (b"x-content-type-options", b"nosniff")
_MESSAGES_BEFORE_OTHERS = 32


class Response(Protocol):
    """Sends what a call answers."""

    def message(self, message: Any, context: HttpServicerContext, /) -> Awaitable[None] | None:
        """Takes one response message; None: there is nothing to wait for."""

    def finish(self, context: HttpServicerContext) -> Awaitable[None]:
        """Completes the response of a call whose status is OK."""

    def fail(self, failure: CallFailed, context: HttpServicerContext) -> Awaitable[None]:
        """Completes the response of a call that failed, as far as that is still possible."""


class UnaryResponse:
    """A response of one message, sent when the call has ended and its status is known."""

    _body: bytes | None = None

    def __init__(self, send: Send, encode: Encoder) -> None:
        self._send = send
        self._encode = encode

    def message(self, message: Any, _context: HttpServicerContext, /) -> None:
        self._body = self._encode(message)

    async def finish(self, context: HttpServicerContext) -> None:
        body = self._body
        if body is None:
            nothing = CallFailed(grpc.StatusCode.UNKNOWN, "The call ended without a message")
            await self.fail(nothing, context)
            return
        context.headers_sent = True
        headers = [_JSON, _NO_SNIFFING, (_CONTENT_LENGTH, b"%d" % len(body))]
        _add_metadata(headers, context)
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    def fail(self, failure: CallFailed, context: HttpServicerContext) -> Awaitable[None]:
        return send_failure(self._send, failure, context)


class StreamResponse:
    """A response of many messages, each sent as it comes; `send` waits while the client is slow."""

    def __init__(self, send: Send, encode: Encoder, framing: Framing) -> None:
        self._send = send
        self._encode = encode
        self._framing = framing
        self._started = False
        self._sent = 0

    async def message(self, message: Any, context: HttpServicerContext, /) -> None:
        chunk = self._framing.message(self._encode(message))
        await self._start(context)
        await self._body(chunk, more_body=True)
        self._sent += 1
        if self._sent % _MESSAGES_BEFORE_OTHERS == 0:
            # While the socket takes all that it is given, `send` never waits, and without this
            # a long stream to a fast reader would keep every other call from running.
            await asyncio.sleep(0)

    async def finish(self, context: HttpServicerContext) -> None:
        await self._start(context)
        await self._body(self._framing.end(), more_body=False)

    async def fail(self, failure: CallFailed, context: HttpServicerContext) -> None:
        if not self._started:
            await send_failure(self._send, failure, context)
            return
        body = error_body(failure.code, failure.detail, context.trailing)
        last = self._framing.error(body)
        if last is not None:
            await self._body(last, more_body=False)
        # Else the framing has no room for an error. Returning with the response incomplete makes
        # the server cut the connection, so that no client takes what it has for the whole.

    async def _start(self, context: HttpServicerContext) -> None:
        if self._started:
            return
        self._started = True
        context.headers_sent = True
        headers = [
            (_CONTENT_TYPE, self._framing.media_type),
            (b"cache-control", b"no-cache"),
            _NO_SNIFFING,
            *response_headers(context.initial_metadata),
        ]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _body(self, body: bytes, *, more_body: bool) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more_body})


async def send_failure(
    send: Send, failure: CallFailed, context: HttpServicerContext | None = None
) -> None:
    """Sends an error response; `context` adds the metadata of a call that had begun."""
    headers = [_JSON, _NO_SNIFFING, *failure.headers]
    trailing: Metadata = ()
    if context is not None:
        context.headers_sent = True
        _add_metadata(headers, context)
        trailing = context.trailing
    body = error_body(failure.code, failure.detail, trailing)
    headers.append((_CONTENT_LENGTH, b"%d" % len(body)))
    await send({"type": "http.response.start", "status": failure.http_status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _add_metadata(headers: list[tuple[bytes, bytes]], context: HttpServicerContext) -> None:
    if context.initial_metadata:
        headers += response_headers(context.initial_metadata)
    if context.trailing:
        headers += response_headers(context.trailing, b"trailer-")

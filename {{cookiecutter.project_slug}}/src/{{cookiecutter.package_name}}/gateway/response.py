"""The HTTP response of a call: one JSON text, or a stream of them in the framing asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from .context import HttpServicerContext
from .metadata import Metadata, response_headers
from .response_framing import Framing
from .status import CallFailed, error_body

Event = MutableMapping[str, Any]
Send = Callable[[Event], Awaitable[None]]
Encoder = Callable[[Any], bytes]
"""A message to JSON text."""

_CONTENT_TYPE, _CONTENT_LENGTH = b"content-type", b"content-length"
_JSON = (_CONTENT_TYPE, b"application/json")
_MESSAGES_BEFORE_OTHERS = 32


def unary_events(body: bytes, context: HttpServicerContext) -> Sequence[Event]:
    """Makes the response of a call that has succeeded, with its one message as JSON text."""
    context.headers_sent = True
    headers = [_JSON, (_CONTENT_LENGTH, b"%d" % len(body)), *context.headers]
    if context.initial_metadata or context.trailing:
        _add_metadata(headers, context)
    return (
        {"type": "http.response.start", "status": 200, "headers": headers},
        {"type": "http.response.body", "body": body},
    )


class StreamResponse:
    """A response of many messages, each sent as it comes; `send` waits while the client is slow."""

    def __init__(self, send: Send, encode: Encoder, framing: Framing) -> None:
        self._send = send
        self._encode = encode
        self._framing = framing
        self._started = False
        self._sent = 0

    async def message(self, message: Any, context: HttpServicerContext) -> None:
        """Sends one message."""
        chunk = self._framing.message(self._encode(message))
        for event in self._start(context):
            await self._send(event)
        await self._send(_chunk(chunk, more_body=True))
        self._sent += 1
        if self._sent % _MESSAGES_BEFORE_OTHERS == 0:
            # While the socket takes all that it is given, `send` never waits, and without this
            # a long stream to a fast reader would keep every other call from running.
            await asyncio.sleep(0)

    def finish(self, context: HttpServicerContext) -> Sequence[Event]:
        """What is left to be sent for a call whose status is OK."""
        return *self._start(context), _chunk(self._framing.end(), more_body=False)

    def fail(self, failure: CallFailed, context: HttpServicerContext) -> Sequence[Event]:
        """What is left to be sent for a call that failed, as far as that is still possible."""
        if not self._started:
            return failure_events(failure, context)
        body = error_body(failure.code, failure.detail, context.trailing)
        last = self._framing.error(body)
        # Some framings have no room for an error. Returning with the response incomplete makes the
        # server cut the connection, so that no client takes what it has for the whole.
        return () if last is None else (_chunk(last, more_body=False),)

    def _start(self, context: HttpServicerContext) -> Sequence[Event]:
        if self._started:
            return ()
        self._started = True
        context.headers_sent = True
        headers = [
            (_CONTENT_TYPE, self._framing.media_type),
            (b"cache-control", b"no-cache"),
            *context.headers,
            *response_headers(context.initial_metadata),
        ]
        return ({"type": "http.response.start", "status": 200, "headers": headers},)


async def send_failure(send: Send, failure: CallFailed) -> None:
    """Sends the error response of a request that becomes no call."""
    for event in failure_events(failure):
        await send(event)


def failure_events(
    failure: CallFailed, context: HttpServicerContext | None = None
) -> Sequence[Event]:
    """Makes an error response; `context` adds the metadata of a call that had begun."""
    headers = [_JSON, *failure.headers]
    trailing: Metadata = ()
    if context is not None:
        context.headers_sent = True
        headers += context.headers
        _add_metadata(headers, context)
        trailing = context.trailing
    body = error_body(failure.code, failure.detail, trailing)
    headers.append((_CONTENT_LENGTH, b"%d" % len(body)))
    return (
        {"type": "http.response.start", "status": failure.http_status, "headers": headers},
        {"type": "http.response.body", "body": body},
    )


def _chunk(body: bytes, *, more_body: bool) -> Event:
    return {"type": "http.response.body", "body": body, "more_body": more_body}


def _add_metadata(headers: list[tuple[bytes, bytes]], context: HttpServicerContext) -> None:
    if context.initial_metadata:
        headers += response_headers(context.initial_metadata)
    if context.trailing:
        headers += response_headers(context.trailing, b"trailer-")

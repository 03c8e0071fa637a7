"""The HTTP response of a call: one JSON text, or a stream of them in the framing asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from time import monotonic
from typing import Any

from ..rpc.metadata import Metadata, response_headers
from ..rpc.status import CallError, error_body
from .cancellation import CallCancellation
from .context import HttpServicerContext
from .negotiation import EventStream, Framing

Event = MutableMapping[str, Any]
Send = Callable[[Event], Awaitable[None]]
Encoder = Callable[[Any], bytes]
"""A message to JSON text."""

_CONTENT_TYPE, _CONTENT_LENGTH = b"content-type", b"content-length"
_JSON = (_CONTENT_TYPE, b"application/json")
_CHALLENGE = (b"www-authenticate", b"Bearer")
# Proxies, of which the second is nginx's name, are to hand on each message as it comes.
_OF_STREAMS = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))
_COMMENT = b":\n\n"
_MESSAGES_BEFORE_OTHERS = 32

HEADERS_AFTER_SECONDS = 1.0
"""The longest that a client of server-sent events waits for the headers."""

COMMENT_AFTER_SECONDS = 15.0
"""The longest that it hears nothing after that."""


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
        if not self._started:
            await self._begin(context)
        await self._send(_chunk(chunk, more_body=True))
        self._sent += 1
        if self._sent % _MESSAGES_BEFORE_OTHERS == 0:
            # While the socket takes all that it is given, `send` never waits, and without this
            # a long stream to a fast reader would keep every other call from running.
            await asyncio.sleep(0)

    def supervise(self, lifetime: CallCancellation, context: HttpServicerContext) -> None:
        """Does what there is to do while the handler waits, and no message comes."""

    def finish(self, context: HttpServicerContext) -> Sequence[Event]:
        """What is left to be sent for a call whose status is OK."""
        start = () if self._started else (self._start(context),)
        return *start, _chunk(self._framing.end(), more_body=False)

    def fail(self, failure: CallError, context: HttpServicerContext) -> Sequence[Event]:
        """What is left to be sent for a call that failed, as far as that is still possible."""
        if not self._started:
            return failure_events(failure, context)
        body = error_body(failure.code, failure.detail, context.trailing)
        last = self._framing.error(body)
        # Some framings have no room for an error. Returning with the response incomplete makes the
        # server cut the connection, so that no client takes what it has for the whole.
        return () if last is None else (_chunk(last, more_body=False),)

    async def _begin(self, context: HttpServicerContext) -> None:
        await self._send(self._start(context))
        # Not before: who is cancelled while the connection has no room has sent nothing.
        self._started = True

    def _start(self, context: HttpServicerContext) -> Event:
        context.headers_sent = True
        headers = [(_CONTENT_TYPE, self._framing.media_type), *context.headers]
        if context.initial_metadata:
            headers += response_headers(context.initial_metadata)
            names = {name for name, _ in headers}
            headers += [header for header in _OF_STREAMS if header[0] not in names]
        else:
            headers += _OF_STREAMS
        return {"type": "http.response.start", "status": 200, "headers": headers}


class EventStreamResponse(StreamResponse):
    """A response of server-sent events, which begins soon and is never silent for long.

    Browsers and proxies give up what says nothing: the headers go out although there is no message
    yet, and comments, which clients ignore, while there is none.
    """

    def __init__(self, send: Send, encode: Encoder, framing: Framing) -> None:
        super().__init__(send, encode, framing)
        # Messages and comments are sent by different tasks.
        self._turn = asyncio.Lock()
        self._last_sent = float("-inf")

    def supervise(self, lifetime: CallCancellation, context: HttpServicerContext) -> None:
        lifetime.run_beside(lambda: self._break_silence(context))

    async def message(self, message: Any, context: HttpServicerContext) -> None:
        async with self._turn:
            await super().message(message, context)
            self._last_sent = monotonic()

    async def _break_silence(self, context: HttpServicerContext) -> None:
        await asyncio.sleep(HEADERS_AFTER_SECONDS)
        while True:
            async with self._turn:
                silence = monotonic() - self._last_sent
                if silence >= COMMENT_AFTER_SECONDS:
                    if not self._started:
                        await self._begin(context)
                    await self._send(_chunk(_COMMENT, more_body=True))
                    silence, self._last_sent = 0.0, monotonic()
            await asyncio.sleep(COMMENT_AFTER_SECONDS - silence)


def stream_response(send: Send, encode: Encoder, framing: Framing) -> StreamResponse:
    """Makes the response for the framing that has been asked for."""
    response = EventStreamResponse if isinstance(framing, EventStream) else StreamResponse
    return response(send, encode, framing)


def without_body(send: Send) -> Send:
    """Makes the `send` of a `HEAD` request: what has headers has ended, a stream too."""

    async def send_head(event: Event) -> None:
        if event["type"] == "http.response.start":
            await send(event)
            await send({"type": "http.response.body", "body": b""})

    return send_head


def to_head(answer: Callable[[Any, Any, Send], Awaitable[None]]) -> Any:
    """Makes what answers `HEAD` of what answers `GET`."""

    async def answer_head(scope: Any, receive: Any, send: Send) -> None:
        await answer(scope, receive, without_body(send))

    return answer_head


async def send_failure(send: Send, failure: CallError) -> None:
    """Sends the error response of a request that becomes no call."""
    for event in failure_events(failure):
        await send(event)


def failure_events(
    failure: CallError, context: HttpServicerContext | None = None
) -> Sequence[Event]:
    """Makes an error response; `context` adds the metadata of a call that had begun."""
    headers = [_JSON, *failure.headers]
    trailing: Metadata = ()
    if context is not None:
        context.headers_sent = True
        headers += context.headers
        _add_metadata(headers, context)
        trailing = context.trailing
    if failure.http_status == 401 and all(name != _CHALLENGE[0] for name, _ in headers):
        # Every 401 has to have one (RFC 9110, 15.5.2).
        headers.append(_CHALLENGE)
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

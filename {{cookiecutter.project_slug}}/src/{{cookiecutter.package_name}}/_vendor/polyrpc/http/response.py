"""The HTTP response of a call: one JSON text, or a stream of them in the framing asked for."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

from ..calls.call import Call
from ..calls.cancellation import CallCancellation
from ..calls.context import HttpServicerContext
from ..calls.refusals import add_metadata, failure_events
from ..calls.response import Encoder, Event, EventResponseStream, Send, chunk_event
from ..calls.straight import send_whole
from ..calls.stream_call import StreamCall
from ..rpc.metadata import response_headers
from ..rpc.status import CallError, error_body
from .negotiation import EventStream, Framing

_CONTENT_TYPE, _CONTENT_LENGTH = b"content-type", b"content-length"
_JSON = (_CONTENT_TYPE, b"application/json")
# Proxies, of which the second is nginx's name, are to hand on each message as it comes.
_OF_STREAMS = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))
_COMMENT = b":\n\n"

HEADERS_AFTER_SECONDS = 1.0
"""The longest that a client of server-sent events waits for the headers."""

COMMENT_AFTER_SECONDS = 15.0
"""The longest that it hears nothing after that."""


def unary_events(body: bytes, context: HttpServicerContext) -> tuple[Event, Event]:
    """Makes the response of a call that has succeeded, with its one message as JSON text."""
    context.headers_sent = True
    headers = [_JSON, (_CONTENT_LENGTH, b"%d" % len(body)), *context.headers]
    if context.initial_metadata or context.trailing:
        add_metadata(headers, context)
    return (
        {"type": "http.response.start", "status": 200, "headers": headers},
        {"type": "http.response.body", "body": body},
    )


class WholeResponse:
    """The response of a call that has one message or none: a JSON text."""

    def events(self, call: Call, outcome: CallError | None) -> tuple[Event, Event]:
        """Follows `LastEvents`."""
        if outcome is not None:
            return failure_events(outcome, call)
        return unary_events(call.body or b"", call)

    async def settle(self, call: StreamCall, outcome: CallError | None) -> None:
        """Follows `Settles`."""
        await send_whole(call.http, *self.events(call, outcome))


WHOLE = WholeResponse()


class StreamResponse(EventResponseStream):
    """A response of many messages as JSON texts."""

    def __init__(self, send: Send, encode: Encoder, framing: Framing) -> None:
        super().__init__(send)
        self._encode = encode
        self._framing = framing

    def events(self, call: Call, outcome: CallError | None) -> tuple[Event, ...]:
        """Follows `LastEvents`, as far as that is still possible."""
        if outcome is None:
            start = () if self._started else (self._start(call),)
            return *start, chunk_event(self._framing.end(), more_body=False)
        if not self._started:
            return failure_events(outcome, call)
        body = error_body(outcome.code, outcome.detail, call.trailing)
        last = self._framing.error(body)
        # Some framings have no room for an error. Returning with the response incomplete makes the
        # server cut the connection, so that no client takes what it has for the whole.
        return () if last is None else (chunk_event(last, more_body=False),)

    def _frame(self, message: Any, context: HttpServicerContext) -> bytes:  # noqa: ARG002 - JSON needs it not
        return self._framing.message(self._encode(message))

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
                        await self.begin(context)
                    await self._send(chunk_event(_COMMENT, more_body=True))
                    silence, self._last_sent = 0.0, monotonic()
            await asyncio.sleep(COMMENT_AFTER_SECONDS - silence)


def stream_response(send: Send, encode: Encoder, framing: Framing) -> StreamResponse:
    """Makes the response for the framing that has been asked for."""
    response = EventStreamResponse if isinstance(framing, EventStream) else StreamResponse
    return response(send, encode, framing)

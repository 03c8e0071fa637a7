"""The events of a response, and a response of many messages."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .cancellation import CallCancellation
from .context import HttpServicerContext
from .incoming import Receive

Event = MutableMapping[str, Any]
Send = Callable[[Event], Awaitable[None]]
AsgiApp = Callable[[Any, Receive, Send], Awaitable[None]]
Answering = Awaitable[None] | tuple[Event, ...]
"""What is left of answering a request: to send the events of all of its response, or to await."""
Answer = Callable[[Any, Receive, Send], Answering]
"""Begins to answer a request, with what an ASGI application gets. Every `AsgiApp` is one."""
Encoder = Callable[[Any], bytes]
"""A message to bytes."""

_MESSAGES_BEFORE_OTHERS = 32


class ResponseStream(ABC):
    """A response of many messages, each sent as it comes; whoever sends waits for slow clients."""

    _started = False
    _sent = 0

    async def message(self, message: Any, context: HttpServicerContext) -> None:
        """Sends one message."""
        chunk = self._frame(message, context)
        if not self._started:
            await self.begin(context)
        writing = self._write(chunk)
        if writing is not None:
            await writing
        self._sent += 1
        if self._sent % _MESSAGES_BEFORE_OTHERS == 0:
            # While the socket takes all that it is given, nothing ever waits, and without this
            # a long stream to a fast reader would keep every other call from running.
            await asyncio.sleep(0)

    def supervise(  # noqa: B027 - for most there is nothing
        self, lifetime: CallCancellation, context: HttpServicerContext
    ) -> None:
        """Does what there is to do while the handler waits, and no message comes."""

    @abstractmethod
    async def begin(self, context: HttpServicerContext) -> None:
        """Sends the headers."""

    @abstractmethod
    def _frame(self, message: Any, context: HttpServicerContext) -> bytes:
        """The bytes of one message."""

    @abstractmethod
    def _write(self, chunk: bytes) -> Awaitable[None] | None:
        """Sends a part of the body; None: it is sent."""


class EventResponseStream(ResponseStream):
    """One that is sent as the events of ASGI.

    Args:
        send: ASGI's `send`.
    """

    def __init__(self, send: Send) -> None:
        self._send = send

    async def begin(self, context: HttpServicerContext) -> None:
        await self._send(self._start(context))
        # Not before: who is cancelled while the connection has no room has sent nothing.
        self._started = True

    def _write(self, chunk: bytes) -> Awaitable[None]:
        return self._send(chunk_event(chunk, more_body=True))

    @abstractmethod
    def _start(self, context: HttpServicerContext) -> Event:
        """The event that begins the response."""


def chunk_event(body: bytes, *, more_body: bool) -> Event:
    """Makes the event of a part of the body."""
    return {"type": "http.response.body", "body": body, "more_body": more_body}


def without_body(send: Send) -> Send:
    """Makes the `send` of a `HEAD` request: what has headers has ended, a stream too."""

    async def send_head(event: Event) -> None:
        if event["type"] == "http.response.start":
            await send(event)
            await send({"type": "http.response.body", "body": b""})

    return send_head


async def answer_all(answer: Answer, scope: Any, receive: Receive, send: Send) -> None:
    """Answers a request to the end."""
    answering = answer(scope, receive, send)
    if isinstance(answering, tuple):
        for event in answering:
            await send(event)
    else:
        await answering


def to_head(answer: Answer) -> Answer:
    """Makes what answers `HEAD` of what answers `GET`."""

    async def answer_head(scope: Any, receive: Receive, send: Send) -> None:
        await answer_all(answer, scope, receive, without_body(send))

    return answer_head

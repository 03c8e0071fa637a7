"""One request over HTTP/2 and its response, as ASGI has it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ..calls.http_stream import TRAILERS
from .exchange import DISCONNECT, HIGH_WATER_BYTES, Answering
from .http2_stream import Stream
from .refusals import NO_BODY, Refusal


class Http2Exchange(Answering):
    """One request and its response: the handler of a stream.

    Args:
        stream: The stream, whose handler this becomes.
        scope: ASGI's.
    """

    __slots__ = ("_body_complete", "_has_body", "_stream", "_trailers")

    def __init__(self, stream: Stream, scope: Mapping[str, Any]) -> None:
        super().__init__(scope)
        self._stream = stream
        self._body_complete = False
        self._has_body = True
        # None: there will be none.
        self._trailers: list[tuple[bytes, bytes]] | None = None
        stream.handler = self

    # What the stream calls

    def stream_changed(self) -> None:
        """Follows `StreamHandler`."""
        # Frameworks read it whole, for nothing.
        if self._stream.received > HIGH_WATER_BYTES and self.scope["method"] in ("GET", "HEAD"):
            self._stream.give_up(NO_BODY)
        self.wake()

    def stream_lost(self) -> None:
        """Follows `StreamHandler`."""
        self.disconnected = True
        self.wake()

    # What an application calls

    async def refuse(self, refusal: Refusal) -> None:
        """Follows `Answering`."""
        if self.response_complete or self.disconnected:
            return
        if self.response_started:
            self._stream.fail()
            return
        self.response_started = self.response_complete = True
        self._stream.refuse(refusal)

    async def receive(self) -> Mapping[str, Any]:
        """ASGI's `receive`."""
        stream = self._stream
        if stream.awaits_continue and not (self.response_started or self.disconnected):
            stream.awaits_continue = False
            stream.send_informational(100)
            stream.await_anew()
        while not (self.disconnected or self.response_complete):
            if not self._delivered and (stream.unread or not stream.more_body):
                body = stream.read()
                self._delivered = not stream.more_body
                return {"type": "http.request", "body": body, "more_body": stream.more_body}
            await self._wait()
        return DISCONNECT

    async def send(self, message: Mapping[str, Any]) -> None:
        """ASGI's `send`."""
        if self.disconnected:
            return
        kind = message["type"]
        if not self.response_started:
            if kind != "http.response.start":
                raise RuntimeError(f"expected http.response.start, not {kind}")
            self._start(message)
        elif kind == "http.response.body" and not self._body_complete:
            body, more_body = message.get("body", b""), message.get("more_body", False)
            if more_body and self._left is None and self._has_body and self._stream.send_now(body):
                return  # As most parts of a stream are: `_send_body` knows the others.
            await self._send_body(body, more_body)
        elif kind == TRAILERS and self._body_complete and not self.response_complete:
            self._send_trailers(message.get("headers", ()), message.get("more_trailers", False))
        else:
            raise RuntimeError(f"{kind} does not follow here")

    def _start(self, message: Mapping[str, Any]) -> None:
        status = message["status"]
        headers = list(message.get("headers", ()))
        for name, value in headers:
            if name.lower() == b"content-length":
                self._left = int(value)
        if status < 200 or status in (204, 304) or self.scope["method"] == "HEAD":
            self._has_body, self._left = False, None
        if message.get("trailers", False):
            self._trailers = []
        self._stream.send_headers(status, headers)
        self.response_started = True

    async def _send_body(self, body: bytes, more_body: bool) -> None:
        if not self._has_body:
            body = b""
        elif self._left is not None:
            self._left -= len(body)
            if self._left < 0:
                raise RuntimeError("the response is longer than its content-length")
            if self._left and not more_body:
                raise RuntimeError("the response is shorter than its content-length")
        self._body_complete = not more_body
        is_last = not more_body and self._trailers is None
        sent = self._stream.sent
        try:
            await self._stream.send(body, end=is_last)
        except asyncio.CancelledError:
            # What came behind a part of it would be taken for the rest; trailers would not.
            if self._trailers is None and self._stream.sent > sent:
                self._stream.fail()
            raise
        if is_last:
            self.response_complete = True
            self.wake()

    def _send_trailers(self, headers: Any, more_trailers: bool) -> None:
        if self._trailers is None:
            raise RuntimeError("the response was begun without trailers")
        self._trailers += headers
        if not more_trailers:
            self._stream.send_trailers(self._trailers)
            self.response_complete = True
            self.wake()

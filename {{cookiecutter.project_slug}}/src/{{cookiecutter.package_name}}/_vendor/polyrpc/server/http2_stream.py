"""One stream of an HTTP/2 connection: what a request and its response are made of, as bytes.

It knows nothing of ASGI: whoever answers is a `StreamHandler`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from ..origins import Headers
from .header_encoder import encode_headers, encode_start, encode_status
from .http2_frames import (
    DATA,
    END_STREAM,
    ErrorCode,
    StreamFault,
    data_frames,
    frame,
    long_response_frames,
    response_frames,
)
from .refusals import Refusal

if TYPE_CHECKING:
    from .http2_connection import Http2Connection
    from .http2_windows import Windows

STREAM_WINDOW = 256 * 1024
"""How much of a request's body a client may send before it is asked for."""

_PART_BYTES = 1024  # What comes in small pieces is put together, for each takes memory of its own.
_SLICE_BYTES = 256 * 1024  # Of a large body, before it is looked whether the client still reads.

_Headers = Iterable[tuple[bytes, bytes]]


class StreamHandler(Protocol):
    """Who answers a stream."""

    def stream_changed(self) -> None:
        """Something of the body has arrived, or its end."""

    def stream_lost(self) -> None:
        """The client has given the stream up, or has gone: nothing can be sent any more."""


class Nobody:
    """Who answers a stream before its request is known to be one."""

    def stream_changed(self) -> None:
        """Follows `StreamHandler`."""

    def stream_lost(self) -> None:
        """Follows `StreamHandler`."""


_NOBODY = Nobody()


class Stream:
    """A request and its response.

    Attributes:
        id: Its number.
        is_head: The request is for the headers alone.
        allowed: What a refusal says to the page that has sent the request, so that it may be read.
        handler: Who answers.
        length: How long the request's body is to be; None: that was not declared.
        unread: How many bytes of the request's body have arrived and were not taken yet.
        more_body: It has not all arrived.
        received: How much of it has.
        trailers: What came after it.
        may_pause: The body is a stream: its client may take its time.
        awaits_continue: The client waits to be told to send the body.
        started: The client was sent a part of the response.
        send_window: How many bytes the client would take on this stream.
        receive_window: How many it may send.
        unacknowledged: How many of these were taken from it, and it was not told of yet.
        ended: The response is complete.
        lost: Nobody listens any more.
        sent: How many bytes of the response's body were sent.
        waits: The response waits for the client to take more.
        since: Since when the client is awaited to do something.
        progress: How much it had sent or taken then.
    """

    __slots__ = (
        "_flow",
        "_free",
        "_on_lost",
        "_owner",
        "_parts",
        "allowed",
        "awaits_continue",
        "ended",
        "handler",
        "id",
        "is_head",
        "length",
        "lost",
        "may_pause",
        "more_body",
        "progress",
        "receive_window",
        "received",
        "send_window",
        "sent",
        "since",
        "started",
        "trailers",
        "unacknowledged",
        "unread",
        "waits",
    )

    def __init__(
        self,
        owner: Http2Connection,
        flow: Windows,
        stream_id: int,
        length: int | None,
        more_body: bool,
        now: float,
    ) -> None:
        self._owner, self._flow = owner, flow
        self.length = length
        self._on_lost: Callable[[], None] | None = None
        self._free: asyncio.Event | None = None
        self.handler: StreamHandler = _NOBODY
        self.allowed: Headers = []
        self.id = stream_id
        self._parts: list[bytes] = []
        self.more_body = more_body
        self.received = self.unread = self.sent = self.progress = self.unacknowledged = 0
        self.trailers: list[tuple[bytes, bytes]] = []
        self.send_window = flow.initial
        self.receive_window = STREAM_WINDOW
        self.is_head = self.may_pause = self.awaits_continue = False
        self.started = self.ended = self.lost = self.waits = False
        self.since = now

    # What arrives

    def feed(self, data: bytes, *, end: bool) -> None:
        """Takes a part of the request's body.

        Raises:
            StreamFault: It is longer or shorter than was declared.
        """
        self.received += len(data)
        expected = self.length
        if expected is not None and (
            self.received > expected or (end and self.received < expected)
        ):
            raise StreamFault(self.id, ErrorCode.PROTOCOL_ERROR)
        self.more_body = not end
        if data:
            self.unread += len(data)
            parts = self._parts
            if parts and len(parts[-1]) + len(data) <= _PART_BYTES:
                parts[-1] += data
            else:
                parts.append(data)
        self.handler.stream_changed()

    def lose(self) -> None:
        """Nobody listens any more."""
        if not self.lost:
            self.lost = True
            self._parts.clear()
            self.unread = 0
            # Who answers refers to the stream: without this, the garbage collector would have work.
            handler, self.handler = self.handler, _NOBODY
            handler.stream_lost()
            if self._on_lost is not None:
                self._on_lost()

    def await_anew(self) -> None:
        """The client is awaited to send more of the body from now on."""
        self.since, self.progress = self._owner.now(), self.received

    # What who answers calls

    def let_pause(self) -> None:
        """The body is a stream, whose client may take its time."""
        self.may_pause = True

    def on_lost(self, tell: Callable[[], None]) -> None:
        """Has `tell` called when nobody listens any more."""
        if self.lost:
            tell()
        else:
            self._on_lost = tell

    def read(self) -> bytes:
        """Takes what has arrived of the body, so that the client may send more."""
        parts = self._parts
        if not parts:
            return b""
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self.unread = 0
        self._flow.consumed(self, len(body))
        return body

    def send_headers(self, status: int, headers: _Headers) -> None:
        """Begins the response.

        Raises:
            RuntimeError: A name or a value of a header is none.
        """
        owner = self._owner
        block = encode_start(status, owner.connections.default_head) + encode_headers(headers)
        if self.lost:
            return
        self.started = True
        owner.write(owner.header_frames(self.id, block, end_stream=False))

    def send_informational(self, status: int) -> None:
        """Sends a response that another one follows."""
        if not self.lost:
            block = encode_status(status)
            self._owner.write(self._owner.header_frames(self.id, block, end_stream=False))

    async def send(self, data: bytes, *, end: bool = False) -> None:
        """Sends a part of the response's body, as fast as the client takes it."""
        while self.waits:  # What another task sends must not come into the midst of this one's.
            self._free = self._free or asyncio.Event()
            await self._free.wait()
        if self.ended:
            return
        owner = self._owner
        position = self._send_some(data, 0, end=end)
        owner.wrote(position, at_once=position == len(data))
        if position == len(data) or self.lost:
            return
        self.waits = True
        self.since, self.progress = owner.now(), self.sent
        try:
            while position < len(data):
                await self._flow.wait_for_room(self)
                if self.lost or self.ended:  # by trailers, perhaps, which say why
                    break
                before = position
                position = self._send_some(data, position, end=end)
                owner.wrote(position - before, at_once=False)
        finally:
            self.waits = False
            if self._free is not None:
                self._free.set()
                self._free = None
            self._flow.used_window()

    def send_whole(
        self,
        constant: tuple[tuple[bytes, bytes], ...],
        headers: _Headers,
        data: bytes,
        trailers: _Headers | None,
    ) -> bool:
        """Sends a whole response with status 200, where the client takes all of it now.

        Args:
            constant: Headers that many responses have.
            headers: Further ones.
            data: The body.
            trailers: What follows it; None: nothing does.

        Returns:
            Whether it was sent. If not, nothing was.

        Raises:
            RuntimeError: A name or a value of a header or trailer is none.
        """
        owner, flow, size = self._owner, self._flow, len(data)
        if (
            size > _SLICE_BYTES
            or size > self.send_window
            or size > flow.send_window
            or owner.resize
            or flow.write_paused
            or self.waits
            or self.lost
        ):
            return False
        block = encode_start(200, owner.connections.default_head, constant)
        if headers:
            block += encode_headers(headers)
        last = None if trailers is None else encode_headers(trailers)
        if len(block) > owner.frame_bytes or (last and len(last) > owner.frame_bytes):
            return False
        self.send_window -= size
        flow.send_window -= size
        self.sent += size
        self.started = self.ended = True
        self.handler = _NOBODY
        if size <= owner.frame_bytes:
            owner.write(response_frames(self.id, block, data, last))
        else:
            parts = long_response_frames(self.id, block, data, last, owner.frame_bytes)
            owner.write_parts(parts)
        owner.answered(self, size)
        return True

    def send_now(self, data: bytes) -> bool:
        """Sends a part of the response's body, where the client takes all of it now.

        Returns:
            Whether it was sent. If not, none of it was.
        """
        owner, flow, size = self._owner, self._flow, len(data)
        if (
            not 0 < size <= owner.frame_bytes
            or size > self.send_window
            or size > flow.send_window
            or flow.write_paused
            or self.waits
            or self.lost
            or self.ended
        ):
            return False
        self.send_window -= size
        flow.send_window -= size
        self.sent += size
        owner.write(frame(DATA, 0, self.id, data))
        owner.wrote(size, at_once=True)
        return True

    def _send_some(self, data: bytes, position: int, *, end: bool) -> int:
        """Sends what the client and the connection take now, and returns where that ends."""
        owner, flow = self._owner, self._flow
        length = len(data)
        if not length and end and not self.lost:
            owner.write(frame(DATA, END_STREAM, self.id))
            self._end()
        while position < length and not (self.lost or flow.write_paused):
            stop = min(length, position + min(self.send_window, flow.send_window, _SLICE_BYTES))
            if stop <= position:
                break
            size = stop - position
            self.send_window -= size
            flow.send_window -= size
            self.sent += size
            is_last = end and stop == length
            most = owner.frame_bytes
            if size == length <= most:
                owner.write(frame(DATA, END_STREAM if is_last else 0, self.id, data))
            else:
                parts = data_frames(self.id, data, position, stop, most, end=is_last)
                owner.write_parts(parts)
            position = stop
            if is_last:
                self._end()
        return position

    def send_trailers(self, headers: _Headers) -> None:
        """Ends the response with trailers.

        Raises:
            RuntimeError: A name or a value is none.
        """
        block = encode_headers(headers)
        if not self.lost:
            self._owner.write(self._owner.header_frames(self.id, block, end_stream=True))
            self._end()

    def refuse(self, refusal: Refusal) -> None:
        """Answers in the place of an application."""
        headers, body = refusal.response(self.allowed)
        self.send_headers(refusal.status, headers)
        if self.is_head:
            body = b""
        if self._send_some(body, 0, end=True) < len(body):  # The client takes none now.
            self.reset(ErrorCode.NO_ERROR)

    def give_up(self, refusal: Refusal) -> None:
        """Ends the stream; the client is told why, if there is no response yet."""
        if not self.started:
            handler = self.handler
            self.refuse(refusal)
            self.handler = handler  # That is told, too.
        self.reset(ErrorCode.CANCEL)

    def fail(self) -> None:
        """Ends the stream in the middle of the response, for no fault of the client's."""
        self.reset(ErrorCode.INTERNAL_ERROR)

    def reset(self, code: ErrorCode) -> None:
        """Ends the stream without a complete response."""
        if not self.lost:
            self._owner.reset(self, code)

    def _end(self) -> None:
        self.ended = True
        self.handler = _NOBODY
        self._owner.ended(self)

"""Flow control: how much of bodies each side of an HTTP/2 connection may send (RFC 9113, 5.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from . import http2_frames as wire
from .http2_frames import ConnectionFault, ErrorCode, StreamFault
from .http2_stream import STREAM_WINDOW, Stream

if TYPE_CHECKING:
    from .http2_protocol import Http2Protocol

CONNECTION_WINDOW = 1024 * 1024
"""How much of all requests' bodies together a client may send before it is asked for."""


class Windows:
    """What may be sent on a connection, in both directions, and which stream sends next.

    Each stream has windows of its own, which are changed here, too.

    Args:
        outlet: Where frames leave.
        loop: The running event loop.

    Attributes:
        send_window: How many bytes the client would take, on all streams together.
        receive_window: How many it may send.
        initial: How many it would take on a stream that begins.
    """

    def __init__(self, outlet: Http2Protocol, loop: asyncio.AbstractEventLoop) -> None:
        self._outlet = outlet
        self._loop = loop
        self.send_window = self.initial = wire.DEFAULT_WINDOW
        self.receive_window = CONNECTION_WINDOW
        self._unacknowledged = 0
        self._waiters: dict[int, tuple[Stream, asyncio.Future[None]]] = {}

    # What arrives

    def give_back(self, size: int) -> None:
        """Lets the client send so much again, on any stream."""
        self._unacknowledged += size
        if self._unacknowledged >= CONNECTION_WINDOW // 2:
            self._outlet.write(wire.window_update(0, self._unacknowledged))
            self.receive_window += self._unacknowledged
            self._unacknowledged = 0

    def consumed(self, stream: Stream, size: int) -> None:
        """Who answers has taken so much of a stream's body: lets the client send as much again."""
        self._unacknowledged += size
        if self._unacknowledged >= CONNECTION_WINDOW // 2:
            self.give_back(0)
        if not stream.more_body or stream.lost:
            return
        stream.unacknowledged += size
        if stream.unacknowledged >= STREAM_WINDOW // 2:
            self._outlet.write(wire.window_update(stream.id, stream.unacknowledged))
            stream.receive_window += stream.unacknowledged
            stream.unacknowledged = 0
            stream.await_anew()

    # What the client lets be sent

    def update(self, increment: int) -> None:
        """The client would take more, on all streams together.

        Raises:
            ConnectionFault: By nothing, or than there can be.
        """
        if not increment:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a window of nothing more")
        self.send_window += increment
        if self.send_window > wire.LARGEST_WINDOW:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a window too large")
        self.used_window()

    def update_stream(self, stream: Stream, increment: int) -> None:
        """The client would take more on a stream.

        Raises:
            StreamFault: By nothing, or than there can be.
        """
        if not increment:
            raise StreamFault(stream.id, ErrorCode.PROTOCOL_ERROR)
        stream.send_window += increment
        if stream.send_window > wire.LARGEST_WINDOW:
            raise StreamFault(stream.id, ErrorCode.FLOW_CONTROL_ERROR)
        self._wake(stream)

    def change_initial(self, size: int, streams: Iterable[Stream]) -> None:
        """The client would take more or less on each stream, those that have begun included.

        Raises:
            ConnectionFault: On one of them, more than there can be.
        """
        difference, self.initial = size - self.initial, size
        for stream in streams:
            stream.send_window += difference
            if stream.send_window > wire.LARGEST_WINDOW:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a window too large")
            self._wake(stream)

    # What is sent

    @property
    def write_paused(self) -> bool:
        """The client is slow to take what was written."""
        return self._outlet.write_paused

    async def wait_for_room(self, stream: Stream) -> None:
        """Waits until something may be sent, or until the stream is over."""
        self.used_window()
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters[stream.id] = stream, waiter
        try:
            await waiter
        finally:
            self._waiters.pop(stream.id, None)

    def used_window(self) -> None:
        """A stream has sent what it had, or is over: wakes who has waited longest of others."""
        if self.send_window <= 0 or self.write_paused:
            return
        for stream, waiter in self._waiters.values():
            if stream.send_window > 0 and not waiter.done():
                waiter.set_result(None)
                return

    def release(self, stream: Stream) -> None:
        """The stream is over: what has arrived on it is taken by nobody, and it need not wait."""
        if stream.unread:
            self.give_back(stream.unread)
        waiting = self._waiters.get(stream.id)
        if waiting is not None and not waiting[1].done():
            waiting[1].set_result(None)

    def _wake(self, stream: Stream) -> None:
        if stream.id in self._waiters and self.send_window > 0 and stream.send_window > 0:
            waiter = self._waiters[stream.id][1]
            if not (waiter.done() or self.write_paused):
                waiter.set_result(None)

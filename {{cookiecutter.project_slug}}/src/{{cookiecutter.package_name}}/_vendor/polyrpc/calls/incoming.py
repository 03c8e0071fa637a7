"""What arrives of a call's request: the body, chunk by chunk, and then that its client has gone."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc

from ..rpc.status import CallError
from .cancellation import CallCancellation
from .http_stream import ON_DISCONNECT

Receive = Callable[[], Awaitable[Any]]

READ_AHEAD_BYTES = 256 * 1024
"""What may wait for a handler that reads slower than its client sends, or not at all."""


class Incoming:
    """Receives the events of one request, and nobody else does.

    All of a request is there at once, as a rule, so whoever reads receives. As soon as the call
    waits for something, one task receives: the body, a little ahead of who reads it, and then the
    disconnect, which ends the call whatever it waits for.

    What a handler does not read holds the rest back, and the disconnect behind that. Servers that
    have the extension above tell of it all the same; of others, it is heard when the handler reads.

    Attributes:
        scope: The ASGI connection scope.
        receive: Gives the events.
        read_ahead_bytes: How much of the body may be there before it is read.
        keeps_body: False: the body is of no use, and dropped as it comes.
        is_plain: It is the usual one, whose body is one message, and has not gone the general way.
        is_reading: Whoever reads is receiving.
        lifetime: Of the call, once that waits.
        chunks: What has been received of the body and not been read; None: nothing so far.
        body_ended: All of the body has been received.
        disconnected: The client has gone.
    """

    scope: Mapping[str, Any]
    receive: Receive
    read_ahead_bytes = READ_AHEAD_BYTES
    keeps_body = True
    is_plain = False
    is_reading = False
    lifetime: CallCancellation | None = None
    chunks: deque[bytes] | None = None
    body_ended = False
    disconnected = False
    _unread = 0
    _closed = False
    # What `receive` has raised while nobody waited for it.
    _failure: Exception | None = None
    # Most calls need neither.
    _arrived: asyncio.Event | None = None
    _room: asyncio.Event | None = None

    async def next_chunk(self) -> bytes | None:
        """Waits for more of the body.

        Returns:
            None after the last of it.

        Raises:
            CallError: CANCELLED, the client has gone or the call has ended; or it is what `receive`
                has raised.
        """
        while not self.chunks:
            if self.body_ended:
                return None
            await self._receive_more()
        chunk = self.chunks.popleft()
        self._unread -= len(chunk)
        if self._room is not None:
            self._room.set()
        return chunk

    async def receive_whole(self, max_bytes: int) -> None:
        """Waits until all of the body is there, or it is clear that it is of no use.

        Args:
            max_bytes: How long a body may be; of a longer one, the rest is not waited for.
        """
        while not self.body_ended and self._unread <= max_bytes:
            await self._receive_more()

    def take(self, event: Mapping[str, Any]) -> None:
        """Takes an event that has been received."""
        self.is_plain = False
        if self.chunks is None:
            self.chunks = deque()
        if event["type"] == "http.disconnect":
            self.disconnected = True
        elif not self.body_ended:
            chunk = event.get("body", b"")
            if chunk and self.keeps_body:
                self.chunks.append(chunk)
                self._unread += len(chunk)
            self.body_ended = not event.get("more_body", False)
        if self._arrived is not None:
            self._arrived.set()

    def supervise(self, lifetime: CallCancellation) -> None:
        """Tells `lifetime` of a disconnect from now on: the call has begun to wait."""
        self.is_plain = False
        self.lifetime = lifetime
        if not self.is_reading:
            lifetime.run_beside(self._receive_all)

    def stopped_reading(self) -> None:
        """Has the events received by others again: whoever reads has received one, or given up."""
        self.is_reading = False
        if self.lifetime is not None:
            self.lifetime.run_beside(self._receive_all)

    def stop_receiving(self) -> None:
        """Ends it, once `supervise` has been called."""
        self.lifetime = None
        # A handler in a thread may still wait for what does not come any more.
        self._closed = True
        if self._arrived is not None:
            self._arrived.set()

    async def _receive_more(self) -> None:
        if self.disconnected:
            raise CallError(grpc.StatusCode.CANCELLED, "The client disconnected")
        if self._closed:
            raise CallError(grpc.StatusCode.CANCELLED, "The call has ended")
        if self._failure is not None:
            raise self._failure
        if self.lifetime is not None:
            self._arrived = self._arrived or asyncio.Event()
            self._arrived.clear()
            await self._arrived.wait()
            return
        self.is_reading = True
        try:
            self.take(await self.receive())
        finally:
            self.stopped_reading()

    async def _receive_all(self) -> None:
        lifetime = self.lifetime
        while not self.disconnected:
            if self._unread > self.read_ahead_bytes:
                await self._room_for_more()
                continue
            try:
                event = await self.receive()
            except Exception as failure:  # it is for whoever waits for the body, or will
                self._failure = failure
                if self._arrived is not None:
                    self._arrived.set()
                return
            self.take(event)
        if lifetime is not None:
            lifetime.disconnect()

    async def _room_for_more(self) -> None:
        """Waits until something has been read, or the client has gone."""
        if self._room is None:
            self._room = asyncio.Event()
            on_disconnect = (self.scope.get("extensions") or {}).get(ON_DISCONNECT)
            if on_disconnect is not None:
                on_disconnect(self._disconnected)
                if self.disconnected:
                    return
        self._room.clear()
        await self._room.wait()

    def _disconnected(self) -> None:
        self.take({"type": "http.disconnect"})
        if self._room is not None:
            self._room.set()

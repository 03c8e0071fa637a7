"""Requests that were answered before they had all arrived.

A client that is told at once to stop (RFC 9113, section 8.1) may take that for a failure, although
the answer is complete: curl does. Most have only a little left, so they may send that first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_SECONDS = 1.0
_BYTES = 64 * 1024
_MOST = 100


class UnfinishedRequests:
    """Those of one connection; each is stopped when it goes on for too long.

    Args:
        loop: The running event loop.
        stop: Tells the client to stop, for a stream.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, stop: Callable[[int], None]) -> None:
        self._loop = loop
        self._stop = stop
        # For each stream how much more it may send, and what stops it.
        self._left: dict[int, tuple[int, asyncio.TimerHandle]] = {}

    def add(self, stream_id: int) -> None:
        """Lets the rest of a request arrive."""
        if len(self._left) >= _MOST:
            self._end(next(iter(self._left)))
        timer = self._loop.call_later(_SECONDS, self._end, stream_id)
        self._left[stream_id] = _BYTES, timer

    def hear(self, stream_id: int, size: int, *, end: bool) -> None:
        """Something has arrived for a stream, which may be another one."""
        if stream_id not in self._left:
            return
        left, timer = self._left[stream_id]
        if end:
            del self._left[stream_id]
            timer.cancel()
        elif size > left:
            self._end(stream_id)
        else:
            self._left[stream_id] = left - size, timer

    def clear(self) -> None:
        """Forgets them: the client has gone."""
        for _, timer in self._left.values():
            timer.cancel()
        self._left.clear()

    def _end(self, stream_id: int) -> None:
        _, timer = self._left.pop(stream_id)
        timer.cancel()
        self._stop(stream_id)

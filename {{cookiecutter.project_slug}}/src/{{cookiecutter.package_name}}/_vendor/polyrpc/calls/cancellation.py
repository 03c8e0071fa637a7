"""How long a call over HTTP may go on: until its deadline, or until its client has gone.

The handler runs in the request's own task. One that never waits can neither be late nor be left
alone while it runs, so that its supervision only begins when it first waits for something.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from .context import HttpServicerContext


class CallCancellation:
    """Cancels the task that it is made in, which is the call's, when its time is over.

    Attributes:
        loop: The event loop that it is made in.
    """

    def __init__(self, context: HttpServicerContext) -> None:
        self._context = context
        self.loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._cancellations = 0
        self._handles: list[asyncio.Handle] = []
        self._beside: list[asyncio.Task[None]] = []
        if context.deadline is not None:
            self._handles.append(self.loop.call_later(context.time_remaining(), self._expire))

    @property
    def is_running(self) -> bool:
        """Whether it is the call's task that runs."""
        return asyncio.current_task(self.loop) is self._task

    def run_beside(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs `work` beside the call, at most until that ends.

        That takes a task, which only comes into being when the call goes on waiting.
        """
        self._handles.append(self.loop.call_soon(self._start, work))

    def disconnect(self) -> None:
        """Cancels the call because its client has gone; the call's own task goes on to end it."""
        self._context.disconnected = True
        self._cancel()

    def disconnect_soon(self) -> None:
        """Does that as soon as the call goes on waiting."""
        self._handles.append(self.loop.call_soon(self.disconnect))

    def stop(self) -> None:
        """Ends the supervision: from here on the call is the caller's to finish."""
        for handle in self._handles:
            handle.cancel()
        for task in self._beside:
            task.cancel()
        while self._task is not None and self._cancellations:
            self._cancellations -= 1
            self._task.uncancel()

    def _expire(self) -> None:
        self._context.expired = True
        self._cancel()

    def _cancel(self) -> None:
        if self._task is not None and self._task is not asyncio.current_task():
            self._cancellations += 1
            self._task.cancel()

    def _start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._beside.append(self.loop.create_task(work()))


@types.coroutine
def resumed(
    send: Callable[[Any], Any], throw: Callable[[BaseException], Any], awaited: Any
) -> Generator[Any, Any, None]:
    """Goes on with a coroutine that has taken its first step.

    Args:
        send: Has it take the next one.
        throw: The same, with an exception.
        awaited: What that step gave: it goes to the event loop first.
    """
    try:
        while True:
            try:
                value = yield awaited
            except BaseException as error:  # such as a cancellation: it is the coroutine's
                awaited = throw(error)
            else:
                awaited = send(value)
    except StopIteration:
        return

"""The tasks in which requests are answered.

A task for each would be a good part of what a small call costs: most have ended with their first
step. So those that arrive in one turn of the event loop begin in one task. One that waits for
something has that task for itself, from its first step to its last, as whoever asks for the
current task expects; the others get another one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from contextvars import copy_context
from functools import partial
from typing import Any, Protocol

from ..calls.cancellation import resumed

Work = Coroutine[Any, Any, None]

_ENDED = object()


class Account(Protocol):
    """Where it is counted how many requests are being answered."""

    running: int


class CallTasks:
    """Those of one server.

    Attributes:
        tasks: The tasks that have not ended.
    """

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self._next: deque[tuple[Work, Account | None]] = deque()
        # The tasks in which they are about to begin.
        self._starters: set[asyncio.Task[None]] = set()

    def start(
        self, work: Work, loop: asyncio.AbstractEventLoop, account: Account | None = None
    ) -> None:
        """Has a request answered, soon.

        Args:
            work: What answers it; it lets nothing out.
            loop: The running event loop.
            account: Where it counts until it is answered; None: nowhere.
        """
        if account is not None:
            account.running += 1
        self._next.append((work, account))
        if not self._starters:
            self._add_starter(loop)

    def _add_starter(self, loop: asyncio.AbstractEventLoop) -> None:
        task = loop.create_task(self._run(loop))
        self._starters.add(task)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self._starters.discard(task)
        if self._next and not self._starters:
            # It was cancelled before its first step, or by what has ended in it; or something was
            # let out.
            self._add_starter(task.get_loop())

    async def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        following, task = self._next, asyncio.current_task(loop)
        while following:
            work, account = following.popleft()
            context = copy_context()
            try:
                # Of a coroutine, this is the iterator of its steps.
                awaited = context.run(next, work.__await__(), _ENDED)
                if awaited is not _ENDED:
                    self._leave(task, loop)
                    run: Any = context.run
                    await resumed(partial(run, work.send), partial(run, work.throw), awaited)
                    return
            finally:
                if account is not None:
                    account.running -= 1
            if task is not None and task.cancelling():
                return

    def _leave(self, task: asyncio.Task[None] | None, loop: asyncio.AbstractEventLoop) -> None:
        """Leaves what is about to begin to two others: where one waits, most do, as a rule."""
        if task is not None:
            self._starters.discard(task)
        for _ in range(min(2, len(self._next) - len(self._starters))):
            self._add_starter(loop)

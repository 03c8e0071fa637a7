"""How a `grpc.aio` server parts from its clients without losing their calls."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import grpc

from .failures import STOPPING

_WITHOUT_LIMIT = 10 * 365 * 24 * 3600.0
_QUIET_SECONDS = 0.02
_LONGEST_WAIT_SECONDS = 0.5
_SECONDS_TO_BREAK_OFF = 1.0


class Departure:
    """Holds calls back at the moment when the server says goodbye, and ends the last ones.

    gRPC core drops the calls that are on their way, or queued, at that moment. Clients that
    await answers send nothing new, so new calls are kept waiting until no more of them come in.
    """

    def __init__(self) -> None:
        self._gate: asyncio.Event | None = None
        self._arrived = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._cancelled: set[asyncio.Task[Any]] = set()

    async def pass_gate(self) -> None:
        """Waits at the beginning of a call while new calls are held back."""
        if self._gate is not None:
            self._arrived += 1
            await self._gate.wait()

    def enter(self) -> asyncio.Task[Any]:
        """Counts the running task as a call in flight, until `leave`."""
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._tasks.add(task)
        return task

    def leave(self, task: asyncio.Task[Any]) -> None:
        """Ends what `enter` began."""
        self._tasks.discard(task)

    def ended(self, task: asyncio.Task[Any]) -> bool:
        """Whether it was here that a task was cancelled; then it may go on, to say so."""
        if task not in self._cancelled:
            return False
        self._cancelled.discard(task)
        task.uncancel()
        return True

    async def stop(self, server: grpc.aio.Server, grace: float | None) -> None:
        """Stops the server: new calls are refused, those in flight may finish.

        Args:
            server: The server whose calls pass here.
            grace: Seconds after which calls still in flight are cancelled; None waits for all.
        """
        if grace != 0:
            await self._wait_for_quiet()
        goodbye = asyncio.ensure_future(server.stop(_WITHOUT_LIMIT))
        await asyncio.sleep(0)  # Now it is said.
        self._let_pass()
        done, _ = await asyncio.wait([goodbye], timeout=grace)
        if not done:
            for task in self._tasks - self._cancelled:
                self._cancelled.add(task)
                task.cancel(STOPPING)
            await asyncio.wait([goodbye], timeout=_SECONDS_TO_BREAK_OFF)
        await server.stop(None)
        await goodbye

    async def _wait_for_quiet(self) -> None:
        loop = asyncio.get_running_loop()
        self._gate = self._gate or asyncio.Event()
        end = loop.time() + _LONGEST_WAIT_SECONDS
        try:
            arrived = -1
            while self._arrived != arrived and loop.time() < end:
                arrived = self._arrived
                await asyncio.sleep(_QUIET_SECONDS)
        except BaseException:
            self._let_pass()
            raise

    def _let_pass(self) -> None:
        if self._gate is not None:
            self._gate.set()
            self._gate = None

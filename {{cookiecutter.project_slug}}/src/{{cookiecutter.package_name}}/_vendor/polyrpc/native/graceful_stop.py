"""How a `grpc.aio` server parts from its clients without losing their calls."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from ..rpc.errors import STOPPING

_WITHOUT_LIMIT = 10 * 365 * 24 * 3600.0
_QUIET_SECONDS = 0.05
_LONGEST_WAIT_SECONDS = 0.5
_SECONDS_TO_BREAK_OFF = 1.0


class GracefulStop:
    """Holds calls back at the moment when the server says goodbye, and ends the last ones.

    gRPC core drops the calls that are on their way, or queued, at that moment. Clients that
    await answers send nothing new, so new calls are kept waiting until no more of them come in.

    Attributes:
        gate: Where new calls wait, with `admit`; None while they need not.
        in_flight: The tasks of the calls, which add themselves when they begin.
    """

    def __init__(self) -> None:
        self.gate: asyncio.Event | None = None
        self.in_flight: set[asyncio.Task[Any]] = set()
        self._arrived = 0
        self._cancelled: set[asyncio.Task[Any]] = set()

    async def admit(self) -> None:
        """Waits at the beginning of a call while new calls are held back."""
        if self.gate is not None:
            self._arrived += 1
            await self.gate.wait()

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
            for task in self.in_flight - self._cancelled:
                self._cancelled.add(task)
                task.cancel(STOPPING)
            await asyncio.wait([goodbye], timeout=_SECONDS_TO_BREAK_OFF)
        await server.stop(None)
        await goodbye

    async def _wait_for_quiet(self) -> None:
        loop = asyncio.get_running_loop()
        self.gate = self.gate or asyncio.Event()
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
        if self.gate is not None:
            self.gate.set()
            self.gate = None

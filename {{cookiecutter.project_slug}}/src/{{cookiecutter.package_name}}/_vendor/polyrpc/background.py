"""Background tasks: they run until the service stops, and are started again when they fail."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

logger = logging.getLogger("polyrpc.background")

Background = Callable[[Any], Awaitable[None]]
"""A coroutine function that takes the service's resources."""

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0


class BackgroundTasks:
    """Runs coroutine functions until the service stops.

    One that raises is logged and started again after 1, 2, 4 … at most 60 seconds; one that has run
    for longer than that begins with 1 second again. One that returns has ended, and so has one that
    raises after it was cancelled.

    Args:
        functions: Each is called with the service's resources.

    Raises:
        TypeError: One is no coroutine function.
    """

    def __init__(self, functions: Iterable[Background]) -> None:
        self._functions = list(functions)
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        for function in self._functions:
            call = getattr(function, "__call__", None)  # noqa: B004 - of an object, not whether
            if not (inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)):
                raise TypeError(
                    f"background: {_name(function)} must be a coroutine function "
                    "(`async def`) that takes the resources"
                )
            try:
                inspect.signature(function).bind("resources")
            except TypeError:
                raise TypeError(
                    f"background: {_name(function)} must take the resources, and nothing else"
                ) from None

    def start(self, resources: Any) -> None:
        """Starts all of them, each in a task of its own."""
        self._stopping = False
        self._tasks = [
            asyncio.create_task(self._run(function, resources), name=_name(function))
            for function in self._functions
        ]

    async def stop(self, grace: float) -> None:
        """Cancels them and waits until they have ended.

        Args:
            grace: Seconds after which one that goes on all the same is left behind.
        """
        self._stopping = True
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=grace)
        for task in late:
            logger.error("background task %s does not end, though it is cancelled", task.get_name())

    async def _run(self, function: Background, resources: Any) -> None:
        loop = asyncio.get_running_loop()
        name = _name(function)
        pause = FIRST_PAUSE_SECONDS
        task: Any = asyncio.current_task()
        while True:
            started = loop.time()
            try:
                await function(resources)
            except (Exception, asyncio.CancelledError) as error:
                # What it has waited for may have been cancelled, and not this task.
                if isinstance(error, asyncio.CancelledError) and task.cancelling():
                    raise
                if self._stopping:
                    logger.exception("background task %s failed as it was to end", name)
                    return
                if loop.time() - started > LONGEST_PAUSE_SECONDS:
                    pause = FIRST_PAUSE_SECONDS
                logger.exception("background task %s failed, it starts again in %g s", name, pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                logger.info("background task %s has ended", name)
                return


def _name(function: Any) -> str:
    return str(getattr(function, "__qualname__", None) or type(function).__qualname__)

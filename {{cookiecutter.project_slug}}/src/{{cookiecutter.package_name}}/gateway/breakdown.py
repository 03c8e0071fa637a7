"""Another `grpc.aio` server in the place of one that has broken down.

One call whose method name is not UTF-8 is enough: the loop in which `grpc.aio` accepts calls ends
with that error, and the server closes its port while the process goes on. Calls that arrive until
another server has the port are refused with CANCELLED or UNAVAILABLE; those in flight go on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import grpc

logger = logging.getLogger(__name__)

_SHORTEST_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 1.0
_WITHOUT_LIMIT = 10 * 365 * 24 * 3600.0


class Successions:
    """Starts servers, and has those that break down replaced.

    Args:
        replace: Starts another server at the same port; OSError: the port is not free yet.
    """

    def __init__(self, replace: Callable[[], Awaitable[None]]) -> None:
        self._replace = replace
        self._watch: asyncio.Task[None] | None = None
        self._predecessors: dict[asyncio.Task[None], grpc.aio.Server] = {}

    async def start(self, server: grpc.aio.Server) -> None:
        """Starts a server that is bound, and has it replaced when it breaks down."""
        others = asyncio.all_tasks()
        await server.start()
        # It is one of these that accepts calls. `wait_for_termination` alone would tell of its
        # end no sooner than the last call in flight has ended.
        ended = asyncio.Event()
        for task in asyncio.all_tasks() - others:
            task.add_done_callback(lambda _: ended.set())
        self._watch = asyncio.create_task(self._succeed(server, ended))

    def end(self) -> None:
        """Lets no server be replaced from now on: it is about to be stopped."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def stop_predecessors(self) -> None:
        """Ends the calls that are still in flight on servers that have been replaced."""
        for task, server in list(self._predecessors.items()):
            await server.stop(None)
            await task

    async def _succeed(self, server: grpc.aio.Server, ended: asyncio.Event) -> None:
        error = await _breakdown(server, ended)
        if error is None:
            return
        logger.error("The gRPC server broke down and is replaced: %r", error)
        # It is stopping by now: this waits for its calls and then frees it.
        task = asyncio.create_task(server.stop(_WITHOUT_LIMIT))
        self._predecessors[task] = server
        task.add_done_callback(self._predecessors.pop)
        pause = _SHORTEST_PAUSE_SECONDS
        while True:
            try:
                # Not to be left half started when the gateway stops meanwhile.
                await asyncio.shield(self._replace())
            except OSError as reason:
                if pause == _LONGEST_PAUSE_SECONDS:
                    logger.error("The gRPC server is not replaced yet: %s", reason)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            else:
                return


async def _breakdown(server: grpc.aio.Server, ended: asyncio.Event) -> Exception | None:
    """Waits for the end of a server; None: it has been stopped."""
    while True:
        await ended.wait()
        ended.clear()
        try:
            if not await server.wait_for_termination(0):
                return None
        except Exception as error:  # whatever has ended it
            return error

"""What callers lose when the service ends, restarts its workers, or loses one: 50 connections.

    python restarts.py [ROUNDS [SCENES]]

SCENES is part of the titles of those that are wanted.

Run it with the interpreter of an environment that holds the generated greeter-service.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from running import load, lost, refused, report, service

CONNECTIONS = 50


async def stop(**settings: object) -> dict[str, Any]:
    """SIGTERM under load."""
    async with service(**settings) as running:
        async with load(running, CONNECTIONS) as figures:
            running.process.send_signal(signal.SIGTERM)
            figures["exit status"] = await running.end()
            await asyncio.sleep(0.5)
        figures["error lines"] = errors(running.lines)
    return figures


async def rolling_restart() -> dict[str, Any]:
    """SIGHUP under load, with two workers."""
    async with service(WORKERS=2) as running, load(running, CONNECTIONS) as figures:
        start = time.monotonic()
        running.process.send_signal(signal.SIGHUP)
        await running.line("replaced the workers")
        figures["restart took, s"] = round(time.monotonic() - start, 2)
        await asyncio.sleep(1)
        figures["error lines"] = errors(running.lines)
    return figures


async def killed_worker() -> dict[str, Any]:
    """`kill -9` of one of two workers under load."""
    protocols = ("http", "grpc", "client")
    async with (
        service(WORKERS=2) as running,
        load(running, CONNECTIONS, protocols=protocols) as figures,
    ):
        start = time.monotonic()
        os.kill(worker_pids(running.process.pid)[0], signal.SIGKILL)
        death = await running.line("worker", "another")
        await running.line("worker", "serves", after=running.lines.index(death))
        figures["another worker served after, s"] = round(time.monotonic() - start, 2)
        await asyncio.sleep(1)
    return figures


def worker_pids(supervisor: int) -> list[int]:
    """The processes that a supervisor has started (Linux)."""
    with open(f"/proc/{supervisor}/task/{supervisor}/children") as children:
        return [int(pid) for pid in children.read().split()]


def errors(lines: list[dict[str, Any]]) -> list[str]:
    """The log lines that tell of something wrong."""
    return [line["event"] for line in lines if line.get("level") not in ("info", "debug")]


SCENES: dict[str, Callable[[], Awaitable[dict[str, Any]]]] = {
    "SIGTERM": stop,
    "SIGTERM, DRAIN_SECONDS=1": functools.partial(stop, DRAIN_SECONDS=1),
    "SIGTERM, two workers": functools.partial(stop, WORKERS=2),
    "rolling restart of two workers": rolling_restart,
    "kill -9 of one of two workers": killed_worker,
}


async def main(rounds: int, wanted: str) -> None:
    """Measures the scenes, some rounds each."""
    total = 0
    for number in range(1, rounds + 1):
        for title, scene in SCENES.items():
            if wanted not in title:
                continue
            figures = await scene()
            report(f"{title} (round {number})", figures)
            if "kill" not in title:
                total += lost(figures)
            if "rolling" in title:  # There, someone always has to accept.
                total += refused(figures)
    print(f"calls lost by ends and restarts: {total}")


if __name__ == "__main__":
    asyncio.run(main(int((sys.argv[1:2] or ["1"])[0]), (sys.argv[2:3] or [""])[0]))

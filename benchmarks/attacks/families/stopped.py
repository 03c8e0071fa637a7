"""A worker that is stopped (SIGSTOP): it holds connections and answers none."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress

from attack import Attack, Bounds, Target
from measure import processes
from talk import message, request, stranger

SECONDS_TO_REPLACE = 40.0
CONNECTIONS = 20


async def attack(target: Target) -> str:
    """Stops one of two, waits until it is replaced, and calls over new connections."""
    supervisor = target.running.process.pid
    stopped = processes(supervisor)[-1]
    start, said = time.monotonic(), len(target.running.lines)
    os.kill(stopped, signal.SIGSTOP)
    try:
        async with asyncio.timeout(SECONDS_TO_REPLACE):
            while stopped in processes(supervisor):  # noqa: ASYNC110 - others of a process
                await asyncio.sleep(0.1)
            await target.running.line("worker", "serves", after=said)
    except TimeoutError:
        target.faults.append(f"it is not replaced within {SECONDS_TO_REPLACE:.0f} s")
    replaced = time.monotonic() - start
    answered = 0
    for _ in range(CONNECTIONS):
        async with stranger(target.http_port) as client:
            await client.send(request(body=message(name="World")))
            answered += await client.status(2) == 200
    if answered < CONNECTIONS:
        target.faults.append(f"{answered} of {CONNECTIONS} new connections are answered")
    with suppress(ProcessLookupError):  # Its service shall be able to stop.
        os.kill(stopped, signal.SIGCONT)
    return f"SIGSTOP to one of 2 workers; waited {replaced:.0f} s"


# Whoever is connected to the stopped one waits with it, and loses the call when it is killed.
ATTACKS = [
    Attack(
        "a stopped worker",
        attack,
        Bounds(mib=None, seconds=45, failures=None),
        {"WORKERS": 2},
        quick=False,
    )
]

"""Clients that ask for much and read nothing of it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress

from attack import Attack, Bounds, Target
from measure import descriptors
from talk import message, request, stranger

CLIENTS = 100
ANSWER_BYTES = 1_000_000
READ_TIMEOUT_SECONDS = 1


async def streams(target: Target) -> str:
    """Asks for streams without end."""
    body = message(name="World" * 100, count=2**31 - 1)
    await _ask(target, request("/grpc/greeterservice/watchgreetings", body))
    return f"{CLIENTS} calls of endless streams, nothing read"


async def answers(target: Target) -> str:
    """Asks for single answers; each is made before it can be sent."""
    await _ask(target, request(body=message(name="a" * ANSWER_BYTES)))
    return f"{CLIENTS} calls with answers of {ANSWER_BYTES / 1e6:.0f} MB, nothing read"


async def _ask(target: Target, sent: bytes) -> None:
    pid = target.running.process.pid
    before = descriptors(pid)
    async with AsyncExitStack() as stack:
        for _ in range(CLIENTS):
            client = await stack.enter_async_context(stranger(target.http_port, deaf=True))
            await client.send(sent)
        with suppress(TimeoutError):
            async with asyncio.timeout(READ_TIMEOUT_SECONDS / 2):
                while descriptors(pid) < before + CLIENTS:  # noqa: ASYNC110 - of a process
                    await asyncio.sleep(0.01)
        # What the kernel holds of an answer cannot tell its client that the connection is closed.
        try:
            async with asyncio.timeout(10 * READ_TIMEOUT_SECONDS):
                while descriptors(pid) > before + CLIENTS // 10:  # noqa: ASYNC110 - of a process
                    await asyncio.sleep(0.05)
        except TimeoutError:
            held = descriptors(pid) - before
            target.faults.append(f"{held} connections still open after the time-out")


SETTINGS = {"READ_TIMEOUT_SECONDS": READ_TIMEOUT_SECONDS, "HTTP_KEEPALIVE_SECONDS": 2}
ATTACKS = [
    Attack("streams that nobody reads", streams, settings=SETTINGS),
    # They are in memory until the time-out: so many answers, in one copy each, and some room.
    Attack(
        "large answers that nobody reads",
        answers,
        Bounds(mib=CLIENTS * ANSWER_BYTES / 1e6 * 1.25 + 32),
        SETTINGS,
    ),
]

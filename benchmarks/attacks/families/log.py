"""A log that nobody reads: whoever started the service has forgotten its standard error."""

from __future__ import annotations

import asyncio

from attack import Attack, Target
from talk import message, request, stranger

CALLS = 25_000
"""Their lines are more than the pipe and the service's own queue take."""
CONNECTIONS = 10


async def attack(target: Target) -> str:
    """Calls more often than the pipe has room for lines; then asks for its health."""
    target.running.stop_reading()
    answered = sum(await asyncio.gather(*(_calls(target.http_port) for _ in range(CONNECTIONS))))
    if answered < CALLS:
        target.faults.append(f"only {answered} of {CALLS} calls were answered")
    async with stranger(target.http_port) as client:
        await client.send(request("/healthz", method="GET"))
        if await client.status(5) != 200:
            target.faults.append("/healthz does not answer")
    return f"{CALLS} calls, standard error unread"


async def _calls(port: int) -> int:
    async with stranger(port) as client:
        for number in range(CALLS // CONNECTIONS):
            await client.send(request(body=message(name="World")))
            if await client.status(5) != 200:
                return number
    return CALLS // CONNECTIONS


# Its memory holds what waits for the reader, up to a limit.
ATTACKS = [Attack("a log that nobody reads", attack)]

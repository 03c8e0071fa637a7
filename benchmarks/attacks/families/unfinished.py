"""Bodies that never come, where calls have few places."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from attack import Attack, Target
from talk import chunked, message, request, stranger

CLIENTS = 20
READ_TIMEOUT_SECONDS = 2
SHAPES = (
    chunked(),
    chunked() + b"9\r\n",
    chunked() + b"2\r\n{}\r\n",
    request(length=100),
    request(body=message(name="World"), length=100),
)
"""Heads of unary calls, and the begin of a body."""


async def attack(target: Target) -> str:
    """Holds connections with them; wants to be sent away."""
    async with AsyncExitStack() as stack:
        clients = []
        for number in range(CLIENTS):
            client = await stack.enter_async_context(stranger(target.http_port))
            await client.send(SHAPES[number % len(SHAPES)])
            clients.append(client)
        ended = await asyncio.gather(
            *(client.ended(3 * READ_TIMEOUT_SECONDS) for client in clients)
        )
    if not all(ended):
        target.faults.append(f"{ended.count(False)} of {CLIENTS} were not sent away")
    return f"{CLIENTS} requests whose bodies never come, 5 places for calls"


ATTACKS = [
    Attack(
        "bodies that never come",
        attack,
        # One place for each honest caller.
        settings={"MAX_CONCURRENT_RPCS": 5, "READ_TIMEOUT_SECONDS": READ_TIMEOUT_SECONDS},
    )
]

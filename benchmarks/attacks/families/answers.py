"""Refusals and answers that a client must be able to read, in their order."""

from __future__ import annotations

import asyncio

from attack import Attack, Target
from talk import chunked, message, request, stranger

TIMES = 10
LARGE_BYTES = 20_000_000


async def behind(target: Target) -> str:
    """Sends a good request and one with a bad chunk in one go."""
    good = request(body=message(name="World"))
    bad = chunked() + b"zz\r\nbad\r\n0\r\n\r\n"
    for _ in range(TIMES):
        async with stranger(target.http_port) as client:
            await client.send(good + bad)
            statuses = [await client.status(5), await client.status(5)]
        if statuses != [200, 400]:
            target.faults.append(f"statuses {statuses}, not 200 and 400")
    return f"{TIMES} good requests, a bad chunk behind each"


async def too_large(target: Target) -> str:
    """Sends a body that is too large, all of it, and then reads."""
    statuses = await asyncio.gather(*(_send_all(target.http_port) for _ in range(TIMES)))
    read = statuses.count(413)
    if read < TIMES:
        target.faults.append(f"only {read} of {TIMES} could read the 413")
    return f"{TIMES} bodies of {LARGE_BYTES / 1e6:.0f} MB"


async def _send_all(port: int) -> int:
    async with stranger(port) as client:
        # As most clients do: nothing is read before all is sent, and a reset ends it all.
        await client.send(request(length=LARGE_BYTES))
        await client.flood(bytes(62_500), LARGE_BYTES)
        return await client.status(10)


ATTACKS = [
    Attack("a bad chunk behind a good request", behind),
    Attack("413 that is read back", too_large),
]

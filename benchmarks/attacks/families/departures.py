"""Clients that leave while a call waits for them, with more requests behind it."""

from __future__ import annotations

import asyncio
import re

from attack import Attack, Target
from measure import descriptors
from talk import Stranger, chunked, message, request, stranger

HELLO = request(body=message(name="World"))
WAITING = request(body=message(name="wait"))
"""`run.py` teaches the servicer what that means."""
BEHIND = {
    "nothing": b"",
    "a request": HELLO,
    "half a head": HELLO[:30],
    "half a body": HELLO[:-3],
    "garbage": b"\x00garbage\r\n\r\n",
    "many requests": HELLO * 200,
    "chunks": chunked() + b"2\r\n{}\r\n",
}
WAYS = ("closes", "resets", "closes its half")
TIMES, QUICK_TIMES = 10, 3
IN_FLIGHT = re.compile(rb"^grpc_server_in_flight\{.*\} (\S+)$", re.MULTILINE)


async def attack(target: Target) -> str:
    """Leaves in every way; wants the calls to be cancelled, and no descriptor to stay."""
    pid = target.running.process.pid
    before = descriptors(pid)
    times = QUICK_TIMES if target.quick else TIMES
    shapes = [(way, behind) for way in WAYS for behind in BEHIND] * times
    await asyncio.gather(*(_leave(target.http_port, *shape) for shape in shapes))
    try:
        async with asyncio.timeout(5):
            # Honest callers come and go: a few more or fewer at any time.
            while descriptors(pid) > before + 3:  # noqa: ASYNC110 - of a process
                await asyncio.sleep(0.05)
    except TimeoutError:
        left = descriptors(pid) - before
        target.faults.append(f"{left} descriptors of {len(shapes)} clients that left are open")
    waiting = await _in_flight(target.http_port)
    if waiting > 5:  # as many as there are honest callers
        target.faults.append(f"{waiting:.0f} calls of clients that left are running")
    return f"{len(shapes)} clients that leave, in {len(WAYS) * len(BEHIND)} ways"


async def _leave(port: int, way: str, behind: str) -> None:
    async with stranger(port) as client:
        await client.send(WAITING + BEHIND[behind])
        await asyncio.sleep(0.3)
        await _go(client, way)


async def _go(client: Stranger, way: str) -> None:
    try:
        if way == "resets":
            client.reset()
        elif way == "closes its half":
            client.writer.write_eof()
            await client.ended(3)
    except OSError:
        pass


async def _in_flight(port: int) -> float:
    async with stranger(port) as client:
        await client.send(request("/metrics", method="GET"))
        _, body = await client.answer()
    return sum(map(float, IN_FLIGHT.findall(body)))


ATTACKS = [Attack("clients that leave", attack)]

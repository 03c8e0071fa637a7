"""gRPC calls of methods whose name is not UTF-8, which `grpc.aio` cannot read."""

from __future__ import annotations

import asyncio
import time

from attack import Attack, Bounds, Target
from talk import END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, call, frame, frames, stranger

CALLERS = 8
SECONDS, QUICK_SECONDS = 8.0, 3.0
PATH = b"/greeter_service.v1.Greeter/\xff\xfe"


async def attack(target: Target) -> str:
    """Calls as fast as it can, each caller on connections of its own."""
    end = time.monotonic() + (QUICK_SECONDS if target.quick else SECONDS)
    counts = await asyncio.gather(*(_caller(target.grpc_port, end) for _ in range(CALLERS)))
    return f"{sum(counts)} calls of a method that is not UTF-8, by {CALLERS}"


async def _caller(port: int, end: float) -> int:
    count = 0
    while time.monotonic() < end:
        try:
            async with stranger(port) as client, asyncio.timeout(1):
                await client.send(PREFACE + frame(SETTINGS, 0, 0, b""))
                await client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, call(PATH)))
                count += 1
                async for _, stream in frames(client.reader):
                    if stream:
                        break
        except (OSError, TimeoutError):
            await asyncio.sleep(0.01)
    return count


ATTACKS = [Attack("names that are not UTF-8", attack, Bounds(mib=64, seconds=20))]

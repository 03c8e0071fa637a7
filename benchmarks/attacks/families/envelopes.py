"""Messages in envelopes, and bodies that are compressed: gRPC-Web and Connect, on the HTTP port."""

from __future__ import annotations

import asyncio
import random
import zlib

from attack import Attack, Bounds, Target
from talk import request, stranger

PATH = "/greeter_service.v1.Greeter"
WEB, CONNECT, STREAM = "application/grpc-web", "application/proto", "application/connect+proto"
BOMB_MIB = 1000
CONNECTIONS = 20
LIARS = 500


def call(rpc: str, content_type: str, body: bytes, *lines: str, length: int | None = None) -> bytes:
    """The bytes of a call."""
    plain = request(f"{PATH}/{rpc}", body, *lines, length=length)
    return plain.replace(
        b"content-type: application/json", f"content-type: {content_type}".encode()
    )


def envelope(data: bytes, flags: int = 0, length: int | None = None) -> bytes:
    """An envelope, whose length may be a lie."""
    return bytes([flags]) + (len(data) if length is None else length).to_bytes(4, "big") + data


async def bombs(target: Target) -> str:
    """Sends what would be a thousand times as much, in each form that may be compressed."""
    bomb = compressed_zeros(BOMB_MIB // 10 if target.quick else BOMB_MIB)
    enveloped = envelope(bomb, 1)
    calls = [
        call("SayHello", WEB, enveloped, "grpc-encoding: gzip"),
        call("SayHello", CONNECT, bomb, "content-encoding: gzip"),
        call("CollectNames", STREAM, enveloped, "connect-content-encoding: gzip"),
    ]
    statuses = await asyncio.gather(
        *(_say(target.http_port, one) for one in calls for _ in range(CONNECTIONS))
    )
    wrong = [status for status in statuses if status not in (200, 400, 429)]
    if wrong:
        target.faults.append(f"statuses {wrong}")
    return f"{len(statuses)} bodies of {len(bomb) / 1e6:.1f} MB, a thousand times as much inside"


def compressed_zeros(mib: int) -> bytes:
    """As many zeros, compressed with gzip."""
    deflate = zlib.compressobj(9, wbits=31)
    zeros = bytes(1024 * 1024)
    return b"".join([*(deflate.compress(zeros) for _ in range(mib)), deflate.flush()])


async def lies(target: Target) -> str:
    """Announces messages of four gigabytes, and of one byte more than there will be."""
    lying = [
        call("SayHello", WEB, envelope(b"a", length=2**32 - 1)),
        call("CollectNames", STREAM, envelope(b"a", length=2**32 - 1)),
        call("SayHello", WEB, envelope(b"abc", length=4)),
        call("Chat", STREAM, b"\0\0\0"),
    ]
    count = 0
    for one in lying:
        for _ in range(LIARS // CONNECTIONS):
            statuses = await asyncio.gather(
                *(_say(target.http_port, one) for _ in range(CONNECTIONS))
            )
            count += CONNECTIONS
            if set(statuses) != {200}:
                target.faults.append(f"statuses {set(statuses)}, not 200")
    return f"{count} calls whose lengths lie"


async def noise(target: Target) -> str:
    """Sends random bodies under every content type, over connections that stay open."""
    chance = random.Random(1)
    count = 0

    async def talk() -> None:
        nonlocal count
        async with stranger(target.http_port) as client:
            for _ in range(100 if target.quick else 500):
                content_type = chance.choice((WEB, CONNECT, STREAM, "application/grpc-web-text"))
                rpc = chance.choice(("SayHello", "WatchGreetings", "CollectNames", "Chat"))
                body = envelope(chance.randbytes(chance.randrange(20)), chance.randrange(256))
                await client.send(call(rpc, content_type, body, "te: trailers"))
                status = await client.status()
                if status not in (200, 400, 404, 415, 501):
                    target.faults.append(f"status {status or 'none'}")
                    return
                count += 1
                if status == 200:  # Its body may be in chunks, of which nobody here keeps count.
                    return

    for _ in range(20 if target.quick else 100):
        await asyncio.gather(*(talk() for _ in range(CONNECTIONS)))
    return f"{count} random bodies"


async def _say(port: int, data: bytes) -> int:
    async with stranger(port) as client:
        await client.send(data)
        return await client.head(30)


ATTACKS = [
    Attack("decompression bombs", bombs, Bounds(mib=256, seconds=45)),
    Attack("envelopes whose lengths lie", lies),
    Attack("random envelopes", noise, Bounds(seconds=45)),
]

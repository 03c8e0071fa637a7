"""Clients that are never silent for long, and never done."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from attack import Attack, Target
from talk import SAY_HELLO, Pieces, chunked, message, request, stranger

READ_TIMEOUT_SECONDS = 1
PAUSE_SECONDS = 0.1
SHAPES = {
    "a head": Pieces(f"POST {SAY_HELLO} HTTP/1.1\r\nhost: ".encode(), b"a"),
    "a body": Pieces(request(length=9999), b" "),
    "chunks": Pieces(chunked(), b"1\r\n \r\n"),
    "a chunk": Pieces(chunked() + b"ffff\r\n", b" "),
    "an extension": Pieces(chunked() + b"1;", b"a"),
    "extensions": Pieces(chunked(), b"1;a=b\r\n \r\n"),
    "trailers": Pieces(chunked() + b"2\r\n{}\r\n0\r\n", b"a: b\r\n"),
    "a body after 404": Pieces(request("/no", length=9999), b" "),
    "chunks after 404": Pieces(chunked("/no"), b"1\r\n \r\n"),
    "blank lines at first": Pieces(b"", b"\r\n"),
    "blank lines after a call": Pieces(request(body=message(name="World")), b"\r\n"),
    "a body that began fast": Pieces(request(length=4_100_000) + b" " * 4_000_000, b" "),
    "chunks that began fast": Pieces(chunked() + b"1\r\n \r\n" * 20_000, b"1\r\n \r\n"),
}


async def attack(target: Target) -> str:
    """Trickles on a connection each; wants every one to be ended."""
    ended = await asyncio.gather(*(_trickle(target.http_port, one) for one in SHAPES.values()))
    held = [name for name, end in zip(SHAPES, ended, strict=True) if not end]
    if held:
        target.faults.append(f"{len(held)} of {len(SHAPES)} are held still: {', '.join(held)}")
    return f"{len(SHAPES)} ways to send a little every {PAUSE_SECONDS} s"


async def _trickle(port: int, pieces: Pieces) -> bool:
    async def more() -> None:
        while not client.writer.is_closing():
            await asyncio.sleep(PAUSE_SECONDS)
            client.writer.write(pieces.more)

    async with stranger(port) as client:
        await client.send(pieces.first)
        sending = asyncio.create_task(more())
        try:
            return await client.ended(6 * READ_TIMEOUT_SECONDS)
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending


ATTACKS = [
    Attack(
        "trickles",
        attack,
        settings={"READ_TIMEOUT_SECONDS": READ_TIMEOUT_SECONDS, "HTTP_KEEPALIVE_SECONDS": 1},
    )
]

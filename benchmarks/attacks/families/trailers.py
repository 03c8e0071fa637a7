"""What belongs to a body in chunks and is no body: trailer fields and chunk extensions."""

from __future__ import annotations

from functools import partial

from attack import MIB, Attack, Target
from talk import Pieces, chunked, stranger

SHAPES = {
    "trailer fields": Pieces(chunked() + b"2\r\n{}\r\n0\r\n", b"name: value\r\n" * 5000),
    "a trailer field": Pieces(chunked() + b"2\r\n{}\r\n0\r\nname: ", b"a" * 65_536),
    "a chunk extension": Pieces(chunked() + b"2;", b"a" * 65_536),
}
LIMIT = 100 * MIB


async def attack(shape: str, target: Target) -> str:
    """Sends much of it, if the server takes it, and wants to hear that it is too much."""
    pieces = SHAPES[shape]
    async with stranger(target.http_port) as client:
        await client.send(pieces.first)
        sent = await client.flood(pieces.more, LIMIT)
        status = await client.status()
    if status != 431:
        target.faults.append(f"{shape}: status {status or 'none'}, not 431")
    return f"{sent / MIB:.1f} MiB taken of {LIMIT // MIB} that were ready"


ATTACKS = [
    Attack(f"{shape} without end", partial(attack, shape), quick=shape != "a trailer field")
    for shape in SHAPES
]

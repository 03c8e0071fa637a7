"""Requests one after another on a connection whose answers nobody reads."""

from __future__ import annotations

from attack import MIB, Attack, Target
from talk import message, request, stranger

REQUESTS = request(body=message(name="World")) * 500
LIMIT = 40 * MIB


async def attack(target: Target) -> str:
    """Sends as long as the server takes any."""
    async with stranger(target.http_port, deaf=True) as client:
        sent = await client.flood(REQUESTS, LIMIT)
    return f"{sent / MIB:.1f} MiB of requests taken of {LIMIT // MIB}, nothing read"


ATTACKS = [Attack("pipelined requests, answers unread", attack)]

"""Bodies of requests that take none."""

from __future__ import annotations

from attack import MIB, Attack, Target
from talk import request, stranger

PATHS = ("/openapi.json", "/docs/swagger", "/healthz", "/no-such-path")
ANSWERS = (200, 404, 413)
LENGTH = 150 * MIB


async def attack(target: Target) -> str:
    """Sends a body with a GET of each path; wants an answer, whatever becomes of the body."""
    sent = 0
    for path in PATHS:
        async with stranger(target.http_port) as client:
            await client.send(request(path, method="GET", length=LENGTH))
            sent += await client.flood(bytes(65_536), LENGTH)
            status = await client.status()
        if status not in ANSWERS:
            target.faults.append(f"GET {path} with a body: status {status or 'none'}")
    return f"{len(PATHS)} GETs of {LENGTH // MIB} MiB, {sent / MIB:.1f} MiB taken"


ATTACKS = [Attack("bodies of requests that take none", attack)]

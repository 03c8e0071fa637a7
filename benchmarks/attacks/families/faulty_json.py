"""Bodies of JSON with a fault, against good ones of the same size."""

from __future__ import annotations

import json
import time

from attack import Attack, Bounds, Target
from talk import SAY_HELLO, request, stranger

SIZES = (500_000, 2_000_000, 4_000_000)
"""In bytes; `MAX_MESSAGE_BYTES` is a little more."""
TIMES, ROOM_MIB, ROOM_SECONDS = 3, 24, 0.5
"""How much more than a good one of its size a faulty one may take, and some room for noise."""
ITEM = {"id": 1.5, "tags": ["a", "b"], "on": True}
KEY, DEPTH = "a long key " * 9, 20


def bodies(size: int) -> dict[str, bytes]:
    """JSON by what it is: a good one, and after it some that are like it, with a fault."""
    item = json.dumps(ITEM)
    items = ",".join([item] * (size // (len(item) + 2)))
    picture = "AAAA" * (size // 4 - 50)
    numbers = ",".join(["1"] * (size // 2 - 2000))
    path, end = f'{{"{KEY}":' * DEPTH, "}" * DEPTH
    texts = {
        "good": f'{{"name":"World","attributes":{{"items":[{items}]}}}}',
        "number too large": f'{{"name":"World","attributes":{{"items":[{items},1e999]}}}}',
        "number too large, first": f'{{"attributes":{{"items":[1e999,{items}]}}}}',
        "bad base64": f'{{"picture":"{picture}\u00e9\u00e9\u00e9\u00e9"}}',
        "unknown field at the end": f'{{"attributes":{{"items":[{items}]}},"no":1}}',
        "cut off": f'{{"attributes":{{"items":[{items}',
        "good numbers": f'{{"name":"World","attributes":{path}[{numbers}]{end}}}',
        "numbers, one too large": f'{{"name":"World","attributes":{path}[{numbers},1e999]{end}}}',
        "numbers, bad base64": f'{{"attributes":{path}[{numbers}]{end},"picture":"\u00e9"}}',
    }
    return {name: text.encode() for name, text in texts.items()}


async def attack(target: Target) -> str:
    """Sends each in each size, and compares with the good one before it."""
    count = 0
    for size in SIZES[:1] + SIZES[-1:] if target.quick else SIZES:
        good_mib = good_seconds = 0.0
        for name, body in bodies(size).items():
            status, seconds = await _post(target.http_port, body)
            count += 1
            mib = target.memory()
            if is_good := name.startswith("good"):
                good_mib, good_seconds = mib, seconds
            about = f"{size / 1e6:.1f} MB, {name}"
            if status != (200 if is_good else 400):
                target.faults.append(f"{about}: status {status or 'none'}")
            if mib > TIMES * good_mib + ROOM_MIB:
                target.faults.append(f"{about}: {mib:.0f} MiB, a good one {good_mib:.0f}")
            if seconds > TIMES * good_seconds + ROOM_SECONDS:
                target.faults.append(f"{about}: {seconds:.1f} s, a good one {good_seconds:.1f}")
    return f"{count} bodies of up to {SIZES[-1] / 1e6:.0f} MB"


async def _post(port: int, body: bytes) -> tuple[int, float]:
    start = time.monotonic()
    async with stranger(port) as client:
        await client.send(request(SAY_HELLO, body))
        status = await client.status(30)
    return status, time.monotonic() - start


ATTACKS = [Attack("faulty JSON", attack, Bounds(mib=384, seconds=45))]

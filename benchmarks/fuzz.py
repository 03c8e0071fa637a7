"""Sends random requests of every protocol to a gateway, and tells what became of them.

    python benchmarks/fuzz.py [--inputs 1000000] [--seed 1]

They are made of good ones: messages are cut, repeated, compressed, given other flags and lengths,
and sent under headers of any value; what can go straight to a stream of HTTP/2 goes there, too, and
has to be answered as it is by ASGI. It fails where a response is a 500, is not whole by the rules
of its protocol or is not there after ten seconds, or where memory goes on growing. It needs what
the tests of the library need.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gzip
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1] / "tests" / "library"
LIBRARY = (
    TESTS.parents[1]
    / "{{cookiecutter.project_slug}}"
    / "src"
    / "{{cookiecutter.package_name}}"
    / "_vendor"
)
sys.path[:0] = [str(LIBRARY), str(TESTS), str(TESTS / "protocols")]

import conftest  # noqa: E402, F401 - the path comes first; it compiles the stubs
import test_protocol_fuzz as of_tests  # noqa: E402 - likewise

MOST_GROWTH_MIB = 16
"""After the first tenth of the inputs, by when all caches are full."""

BOMB = gzip.compress(bytes(10_000_000))
PARTS = [of_tests.ONE, b"", b'{"text":"a"}', b"\xff", BOMB[:450], gzip.compress(of_tests.ONE)]

Random = random.Random


def piece(chance: Random) -> bytes:
    """A part of a body: an envelope, mostly, and mostly a good one."""
    data = chance.choice(PARTS) if chance.random() < 0.9 else chance.randbytes(chance.randint(0, 9))
    kind = chance.random()
    if kind < 0.6:
        return of_tests.envelope(data)
    if kind < 0.8:
        return of_tests.envelope(data, chance.choice((1, 2, 0x80, chance.randrange(256))))
    if kind < 0.9:
        return bytes([chance.randrange(2)]) + chance.randbytes(4) + data
    return data


def body(chance: Random) -> list[bytes]:
    """A body in some chunks."""
    whole = b"".join(piece(chance) for _ in range(chance.choice((0, 1, 1, 1, 2, 3))))
    if chance.random() < 0.2:
        whole = base64.b64encode(whole)
    if chance.random() < 0.1:
        whole = whole[: chance.randint(0, len(whole))]
    cut = chance.randint(0, len(whole))
    return [whole] if chance.random() < 0.5 else [whole[:cut], whole[cut:]]


def headers(chance: Random) -> list[tuple[bytes, bytes]]:
    """Some headers, with values of others or any."""
    found = [(b"content-type", chance.choice(of_tests.CONTENT_TYPES).encode())]
    for _ in range(chance.choice((0, 0, 1, 2, 3))):
        value = chance.choice(of_tests.HEADER_VALUES)
        if chance.random() < 0.2:
            value = chance.randbytes(chance.randint(0, 12))
        found.append((chance.choice(of_tests.HEADER_NAMES).encode(), value))
    return found


async def send(app: Any, chance: Random) -> str:
    """Sends one; returns the status of the response, which is whole.

    Raises:
        AssertionError: It is not.
        TimeoutError: There is none.
    """
    method = chance.choice(("POST",) * 9 + ("GET",))
    path = chance.choice(of_tests.PATHS)
    query = chance.choice((b"", b"connect=v1&encoding=json&message=%7B%7D", chance.randbytes(9)))
    sent_headers, chunks = headers(chance), body(chance)
    version = chance.choice(("2", "2", "1.1"))
    sent = await of_tests.request(
        app, method, path, query, sent_headers, chunks, http_version=version
    )
    of_tests.check(sent)
    if version == "2":
        scope = of_tests.scope_of(method, path, query, sent_headers)
        takes_all = chance.random() < 0.5
        straight = await of_tests.straight(app, scope, chunks, takes_all=takes_all)
        if straight is not None:
            of_tests.check(straight)
            if of_tests.seen(straight) != of_tests.seen(sent):
                raise AssertionError("it is answered in another way without ASGI")
            return f"{sent[0]['status']}, both ways"
    return str(sent[0]["status"])


async def fuzz(inputs: int, seed: int, tell: Callable[[str], None]) -> int:
    """Sends all; returns how many faults there were."""
    app = of_tests.make_app()
    statuses: Counter[str] = Counter()
    slowest = start = 0.0
    faults = 0
    memory: list[float] = []
    begun = time.monotonic()
    for number in range(inputs):
        chance = Random(f"{seed} {number}")
        start = time.monotonic()
        try:
            async with asyncio.timeout(10):
                statuses[await send(app, chance)] += 1
        except (AssertionError, TimeoutError) as error:
            faults += 1
            tell(f"input {number} of seed {seed}: {type(error).__name__}: {error}")
        slowest = max(slowest, time.monotonic() - start)
        # Most calls wait for nothing; what has been cancelled is dropped on the loop's next turn.
        await asyncio.sleep(0)
        if (number + 1) % (inputs // 10 or 1) == 0:
            memory.append(resident_mib())
    growth = memory[-1] - memory[0]
    tell(f"{inputs} inputs in {time.monotonic() - begun:.0f} s, the slowest {slowest * 1e3:.1f} ms")
    tell(f"statuses: {dict(sorted(statuses.items()))}; faults: {faults}")
    tell(f"resident memory after each tenth, MiB: {', '.join(f'{mib:.1f}' for mib in memory)}")
    if growth > MOST_GROWTH_MIB:
        tell(f"it grew by {growth:.1f} MiB, more than {MOST_GROWTH_MIB}")
        faults += 1
    return faults


def resident_mib() -> float:
    """The memory of this process; where `/proc` does not tell, its peak."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * resource.getpagesize() / 1024**2


def main() -> int:
    """Fuzzes.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    faults = asyncio.run(fuzz(arguments.inputs, arguments.seed, lambda line: print(line)))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

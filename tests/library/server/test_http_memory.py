"""What a client may cost: its bytes stay with it, whatever they are."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from wire import chunked, connected, request

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(
        not Path("/proc/self/status").exists(), reason="only Linux tells the memory of a process"
    ),
    pytest.mark.asyncio(loop_factories=["asyncio"]),  # Of the client: the server has its own.
]

SENT_BYTES = 20_000_000
GROWTH_BYTES = 8_000_000
LINES = b"name: value\r\n" * 5_000
UNENDING = b"a" * 65_536

FLOODS = {
    "trailer fields": (chunked() + b"0\r\n", LINES),
    "a trailer field": (chunked() + b"0\r\nname: ", UNENDING),
    "a name of a trailer field": (chunked() + b"0\r\n", UNENDING),
    "a chunk extension": (chunked() + b"1;", UNENDING),
    "headers": (b"GET / HTTP/1.1\r\n", LINES),
    "a request target": (b"GET /", UNENDING),
    "requests": (b"", request("/echo", b"body") * 1_000),
    "requests for much": (b"", request("/large") * 1_000),
    "requests behind another": (request("/wait"), request("/echo") * 1_000),
    "a body that is not read": (
        request("/deaf", b"").replace(b": 0", b": 999999999"),
        UNENDING,
    ),
    "chunks that are not read": (chunked("/deaf"), b"1\r\na\r\n" * 10_000),
    "a body that was answered": (
        request("/early", b"").replace(b": 0", b": 999999999"),
        UNENDING,
    ),
    "a body of GET": (
        request("/echo", b"", method="GET").replace(b": 0", b": 999999999"),
        UNENDING,
    ),
    "blank lines": (b"", b"\r\n" * 32_768),
    "garbage": (b"", UNENDING),
}


@pytest.fixture
async def process() -> AsyncIterator[tuple[int, int]]:
    """A server of its own: its process id and its port."""
    served = await asyncio.create_subprocess_exec(
        *(sys.executable, Path(__file__).with_name("served.py")), stdout=asyncio.subprocess.PIPE
    )
    assert served.stdout is not None
    yield served.pid, int(await served.stdout.readline())
    served.kill()
    await served.communicate()


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_takes_no_memory_and_hinders_nobody(
    flood: str, process: tuple[int, int]
) -> None:
    pid, port = process
    first, more = FLOODS[flood]
    async with connected(port) as honest:
        for _ in range(20):
            honest.send(request("/echo", b"honest"))
            assert (await honest.answer()).status == 200
        before = memory(pid)
        async with flooding(port, first, more) as task:
            while not task.done():
                honest.send(request("/echo", b"honest"))
                assert (await honest.answer()).status == 200
        assert memory(pid) - before < GROWTH_BYTES


@asynccontextmanager
async def flooding(port: int, first: bytes, more: bytes) -> AsyncIterator[asyncio.Task[None]]:
    """Sends until the server has had enough of it, in one way or the other; reads nothing."""

    async def send() -> None:
        async with connected(port, limit=1024) as client:
            client.send(first)
            sent = 0
            try:
                while sent < SENT_BYTES:
                    client.send(more)
                    sent += len(more)
                    async with asyncio.timeout(1):
                        await client.writer.drain()
            except (ConnectionError, TimeoutError):
                pass

    task = asyncio.ensure_future(send())
    yield task
    await task


def memory(pid: int) -> int:
    """The most that a process has had in memory so far, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024

"""The attacks: what they find is told, and a service that is whole passes them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from baking import ROOT

ATTACKS = ROOT / "benchmarks" / "attacks"
pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells the memory of a process"
)


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Imports modules of the program as it does."""
    monkeypatch.syspath_prepend(str(ATTACKS))


@asynccontextmanager
async def answering(answer: Callable[[bytes], bytes]) -> AsyncIterator[int]:
    """Serves whatever `answer` says to what a client sends first; yields the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(answer(await reader.read(65_536)))
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def faults(run: Callable[..., Awaitable[str]], answer: Callable[[bytes], bytes]) -> list[str]:
    """Attacks it, and answers what is found."""
    from attack import Target

    async with answering(answer) as port:
        target = Target(port, port, None, quick=True)
        await run(target)
    return target.faults


def test_each_bound_that_is_broken_is_told() -> None:
    from attack import Attack, Bounds, Outcome, broken

    async def nothing(_target: object) -> str:
        return ""

    attack = Attack("nothing", nothing, Bounds(mib=1, seconds=1, failures=0))
    assert broken(attack, Outcome("", 1, 1, 9, 0)) == []
    assert broken(attack, Outcome("", 2, 3, 9, 4, ("status 500",))) == [
        *("status 500", "memory grew by 2 MiB, more than 1", "calm after 3.0 s, not 1"),
        "4 honest calls failed, more than 0",
    ]
    assert broken(attack, Outcome("", 0, 0, 0, 0)) == ["no honest call was answered"]
    known = Attack("nothing", nothing, known="somebody else's")
    assert broken(known, Outcome("", 1e9, 1e9, 9, 9)) == []


async def test_a_guard_that_lets_strangers_in_is_told() -> None:
    from families import guards

    def refuse_all_but_one(sent: bytes) -> bytes:
        status = b"200" if b"/openapi.json%0a" in sent.split(b"\r\n")[0] else b"401"
        return b"HTTP/1.1 " + status + b" x\r\ncontent-length: 0\r\n\r\n"

    told = await faults(guards.attack, refuse_all_but_one)
    assert "GET /openapi.json%0a HTTP/1.1: status 200" in told
    assert all("/openapi.json%0a" in line for line in told)


async def test_an_answer_that_is_lost_is_told() -> None:
    from families import answers

    told = await faults(answers.behind, lambda _: b"HTTP/1.1 400 x\r\ncontent-length: 0\r\n\r\n")
    assert set(told) == {"statuses [400, 0], not 200 and 400"}


async def test_floods_that_nobody_ends_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from attack import Target
    from families import http2

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(65_536):
                pass
        finally:
            writer.close()

    monkeypatch.setattr(http2, "QUICK_SECONDS", 0.2)
    monkeypatch.setattr(http2, "READ_TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(http2, "CONNECTIONS", 2)
    async with await asyncio.start_server(swallow, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        target = Target(port, port, None, quick=True)
        await http2.resets(target)
        await http2.windows(target)
    assert target.faults == ["no flood was ended", "200 of 200 streams are held still"]


@pytest.mark.xdist_group("tested")
@pytest.mark.parametrize(
    "name", ["a chunk extension", pytest.param("a bad chunk behind", marks=pytest.mark.full)]
)
async def test_the_default_service_passes(name: str, tested: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(tested / ".nox" / "tests" / "bin" / "python", ATTACKS / "program.py", "--only", name),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert "PASS" in output.decode()

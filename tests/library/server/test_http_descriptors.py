"""A process that runs out of descriptors says so, once, and serves again when it has some."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from wire import connected, request

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit on Windows"),
    pytest.mark.asyncio(loop_factories=["asyncio"]),  # Of the client: the server has its own.
]


async def test_it_is_logged_once_and_clients_are_served_again() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, Path(__file__).with_name("exhausted.py")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    port = int(await process.stdout.readline())
    async with AsyncExitStack() as clients:
        for _ in range(60):
            await clients.enter_async_context(connected(port))
        first = await process.stderr.readline()
    assert first.startswith(b"polyrpc.server no connection can be accepted: Too many open files")
    async with asyncio.timeout(30):
        status = 0
        while status != 200:
            async with connected(port) as client:
                client.send(request())
                try:
                    status = (await client.answer()).status
                except (ConnectionError, asyncio.IncompleteReadError):
                    await asyncio.sleep(0.05)
    process.kill()
    _, errors = await process.communicate()
    assert errors == b""

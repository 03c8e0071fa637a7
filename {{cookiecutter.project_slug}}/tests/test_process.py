"""The process: how `python -m {{ cookiecutter.package_name }}` starts, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from {{ cookiecutter.package_name }}.settings import PREFIX

Process = asyncio.subprocess.Process


@asynccontextmanager
async def started(**settings: object) -> AsyncIterator[Process]:
    """Starts the service; whatever becomes of it, it is gone afterwards."""
    values = {"HTTP_PORT": 0, "GRPC_PORT": 0, "LOG_FORMAT": "json", **settings}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "{{ cookiecutter.package_name }}",
        env={**os.environ, **{PREFIX + name: str(value) for name, value in values.items()}},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def log_line(process: Process, event: str) -> dict[str, Any]:
    """Waits for the log line whose event begins with `event`."""
    assert process.stderr is not None
    async for line in process.stderr:
        fields: dict[str, Any] = json.loads(line)
        if fields["event"].startswith(event):
            return fields
    raise AssertionError(f"the process ended without saying {event!r}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_with_status_0(number: signal.Signals) -> None:
    async with started() as process:
        await log_line(process, "serving")
        process.send_signal(number)
        assert await process.wait() == 0


async def test_while_draining_it_is_alive_but_not_ready() -> None:
    async with started(DRAIN_SECONDS=60) as process, httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{(await log_line(process, 'serving'))['http_port']}"
        assert (await client.get(f"{url}/readyz")).status_code == 200
        process.send_signal(signal.SIGTERM)
        await log_line(process, "draining")
        while (await client.get(f"{url}/readyz")).status_code != 503:
            pass
        assert (await client.get(f"{url}/healthz")).status_code == 200
        process.send_signal(signal.SIGTERM)  # ends the wait
        assert await process.wait() == 0


@pytest.mark.parametrize("listener", ["HTTP", "GRPC"])
async def test_a_taken_port_ends_it_with_one_line_and_status_1(listener: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with started(**{f"{listener}_PORT": port}) as process:
            _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors.decode().count("\n") == 1
    assert str(port) in errors.decode()


async def test_a_wrong_setting_ends_it_with_one_line_and_status_2() -> None:
    async with started(HTTP_PORT=-1) as process:
        _, errors = await process.communicate()
    assert process.returncode == 2
    assert errors.decode().count("\n") == 1
    assert f"{PREFIX}HTTP_PORT" in errors.decode()

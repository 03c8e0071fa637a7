"""The service as a process of its own, and what the platform lets others do to it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from greeter.settings import PREFIX

Process = asyncio.subprocess.Process

# Windows ends a process without a word when it is sent any signal but this one, which goes to all
# processes of a group.
if os.name == "posix":
    STOP_SIGNALS = [signal.SIGTERM, signal.SIGINT]
else:
    STOP_SIGNALS = [getattr(signal, "CTRL_BREAK_EVENT")]  # noqa: B009 - unknown elsewhere
STOP = STOP_SIGNALS[0]
GROUP = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)

needs_workers = pytest.mark.skipif(
    not hasattr(socket, "SO_REUSEPORT"), reason="processes cannot share ports on this platform"
)
ONE_AND_TWO_WORKERS = [1, pytest.param(2, marks=[needs_workers, pytest.mark.full])]


def environment(**settings: object) -> dict[str, str]:
    """The environment of a service with these settings, on free ports and with logs to read."""
    values = {"HTTP_PORT": 0, "GRPC_PORT": 0, "LOG_FORMAT": "json", **settings}
    return {**os.environ, **{PREFIX + name: str(value) for name, value in values.items()}}


@asynccontextmanager
async def started(*command: str, **settings: object) -> AsyncIterator[Process]:
    """Starts the service, or `command`; whatever becomes of it, it is gone afterwards."""
    process = await asyncio.create_subprocess_exec(
        *(command or (sys.executable, "-m", "greeter")),
        env=environment(**settings),
        stderr=asyncio.subprocess.PIPE,
        creationflags=GROUP,
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


async def end(process: Process) -> tuple[int | None, list[dict[str, Any]]]:
    """Waits for the end of the process: its exit status, and what it still logged."""
    _, errors = await process.communicate()
    return process.returncode, [json.loads(line) for line in errors.splitlines()]


def workers_of(process: Process) -> set[int]:
    """The processes that a supervisor has started."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if children.exists():
        return {int(pid) for pid in children.read_text().split()}
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, check=True)
    return {int(pid) for pid in found.stdout.split()}

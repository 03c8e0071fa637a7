"""A service as a process of its own, and settings that no environment sets."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from ..settings import ServiceSettings

Settings = TypeVar("Settings", bound=ServiceSettings)


def settings(settings_class: type[Settings], **values: Any) -> Settings:
    """Makes settings with free ports, whatever the environment says.

    Args:
        settings_class: The service's.
        values: Fields of it; required ones must be among them.
    """
    prefix = settings_class.prefix().upper()
    outside = {
        name: os.environ.pop(name) for name in list(os.environ) if name.upper().startswith(prefix)
    }
    try:
        return settings_class(**{"http_port": 0, "grpc_port": 0, **values})
    finally:
        os.environ.update(outside)


class Process:
    """A service that runs as a process of its own.

    Attributes:
        http_port: The port that HTTP listens on.
        grpc_port: The port that gRPC is on.
        log: The lines of its log that have been read, as JSON objects.
    """

    http_port: int
    grpc_port: int

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.log: list[dict[str, Any]] = []

    async def logged(self, event: str) -> dict[str, Any]:
        """Waits for a log line whose event begins with `event`.

        Raises:
            EOFError: The process ends without it; the text is what it said.
        """
        assert self._process.stderr is not None
        rest = []
        async for line in self._process.stderr:
            try:
                self.log.append(json.loads(line))
            except ValueError:
                rest.append(line.decode(errors="replace"))
                continue
            if self.log[-1]["event"].startswith(event):
                return self.log[-1]
        raise EOFError(f"it ended without saying {event!r}: {''.join(rest)}")

    def stop(self) -> None:
        """Sends the signal that asks a process to stop; a second one stops it at once."""
        # Windows ends a process without a word when it is sent any other.
        if os.name == "posix":
            self._process.send_signal(signal.SIGTERM)
        else:
            self._process.send_signal(getattr(signal, "CTRL_BREAK_EVENT"))  # noqa: B009 - unknown elsewhere

    async def ended(self) -> int:
        """Waits for its end, and gives its exit status."""
        _, errors = await self._process.communicate()
        self.log += [json.loads(line) for line in errors.splitlines() if line.startswith(b"{")]
        assert self._process.returncode is not None
        return self._process.returncode


@asynccontextmanager
async def process(package: str, settings: ServiceSettings) -> AsyncIterator[Process]:
    """Runs `python -m package`; whatever becomes of it, it is gone afterwards.

    Args:
        package: The service's.
        settings: What it is started with, such as `settings` makes; it always logs JSON.
    """
    prefix = settings.prefix().upper()
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", package),
        env={
            **{k: v for k, v in os.environ.items() if not k.upper().startswith(prefix)},
            **settings.environment(),
            f"{prefix}LOG_FORMAT": "json",
        },
        stderr=subprocess.PIPE,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )
    running = Process(started)
    try:
        line = await running.logged("serving")
        running.http_port, running.grpc_port = line["http_port"], line["grpc_port"]
        yield running
    finally:
        if started.returncode is None:
            started.kill()
            await started.communicate()

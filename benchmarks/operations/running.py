"""The service and the load, as processes of their own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

Process = asyncio.subprocess.Process
FOLDER = Path(__file__).parent
SECONDS_TO_GET_GOING = 3.0
SECONDS_TO_STOP = 40.0


class Running:
    """A service that runs.

    Attributes:
        process: The one that was started.
        lines: What it has logged so far.
    """

    def __init__(self, process: Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self._reading = asyncio.create_task(self._read())

    async def line(self, begin: str, part: str = "", after: int = 0) -> dict[str, Any]:
        """Waits for a log line whose event begins with `begin` and contains `part`."""
        while True:
            for line in self.lines[after:]:
                if line["event"].startswith(begin) and part in line["event"]:
                    return line
            if self._reading.done():
                raise EOFError(f"the service ended without saying {begin!r}: {self.lines[-3:]}")
            await asyncio.sleep(0.01)

    def stop_reading(self) -> None:
        """Leaves in the pipe what it logs from now on."""
        self._reading.cancel()

    async def end(self) -> int:
        """Waits for its end and returns the exit status."""
        await asyncio.wait([self._reading])
        if self._reading.cancelled():
            while self.process.returncode is None:  # noqa: ASYNC110 - see below
                await asyncio.sleep(0.01)
            assert self.process.stderr is not None
            await self.process.stderr.read()  # asyncio tells of an end when the pipe is empty.
        return await self.process.wait()

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            try:
                self.lines.append(json.loads(line))
            except ValueError:
                self.lines.append({"event": line.decode(errors="replace"), "level": "raw"})


@asynccontextmanager
async def service(**settings: object) -> AsyncIterator[Running]:
    """Runs the service until the end of the block."""
    values = {"HTTP_PORT": 0, "GRPC_PORT": 0, "LOG_FORMAT": "json", **settings}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "greeter_service"),
        env=os.environ | {f"GREETER_SERVICE_{name}": str(value) for name, value in values.items()},
        stderr=asyncio.subprocess.PIPE,
    )
    running = Running(process)
    try:
        await running.line("serving")
        yield running
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(SECONDS_TO_STOP):
                await running.end()
        except TimeoutError:
            process.kill()
            await running.end()


@asynccontextmanager
async def load(
    running: Running,
    connections: int,
    ca_file: Path | None = None,
    protocols: Sequence[str] = ("http", "grpc"),
) -> AsyncIterator[dict[str, Any]]:
    """Loads the service during the block; what became of the calls is in the dictionary after it.

    Args:
        running: The service.
        connections: How many, over all protocols.
        ca_file: For TLS.
        protocols: See `load.py`; each is a process.
    """
    ports = await running.line("serving")
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, str(FOLDER / "load.py"), protocol),
            str(ports["http_port"] if protocol == "http" else ports["grpc_port"]),
            str(connections // len(protocols)),
            *([str(ca_file)] if ca_file else []),
            env={**os.environ, "GRPC_VERBOSITY": "NONE"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        for protocol in protocols
    ]
    figures: dict[str, Any] = {}
    try:
        await asyncio.sleep(SECONDS_TO_GET_GOING)
        yield figures
    finally:
        for process in processes:
            output, _ = await process.communicate(b"")
            figures.update(json.loads(output))


def lost(figures: dict[str, Any]) -> int:
    """How many calls of a load were lost."""
    return sum(count for outcome, count in figures.items() if " lost" in outcome)


def refused(figures: dict[str, Any]) -> int:
    """For how many calls of a load nobody accepted a connection."""
    return sum(count for outcome, count in figures.items() if outcome.endswith(" refused"))


def report(title: str, figures: dict[str, Any]) -> None:
    """Prints a table of figures."""
    print(title)
    for name, value in figures.items():
        print(f"  {name:<60} {value}")
    sys.stdout.flush()

"""What a service costs, from Linux's /proc, and whether it is calm."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from attack import MIB
from talk import PREFACE, SETTINGS, frame, frames, request, stranger

_TICKS = os.sysconf("SC_CLK_TCK")
_QUICK_SECONDS = 0.5
_WINDOW_SECONDS = 0.3
_BUSY = 0.6
"""What part of a core a calm service uses at most; honest callers need some of it."""


def processes(pid: int) -> list[int]:
    """A process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [pid, *map(int, children.split())]


def descriptors(pid: int) -> int:
    """How many descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


class Memory:
    """The resident memory of a service, from now on: the peak of what it grows by, in MiB."""

    def __init__(self, pid: int) -> None:
        self._before = {one: _status(one, "VmRSS") for one in processes(pid)}
        self._most = 0.0
        self._reset()

    def growth(self) -> float:
        """By how much it has grown at most."""
        self._most = max(self._most, self._peak())
        return self._most

    def lap(self) -> float:
        """By how much it had grown at most since this was last asked."""
        grown = self._peak()
        self._most = max(self._most, grown)
        self._reset()
        return grown

    def _peak(self) -> float:
        return sum(max(0, _status(pid, "VmHWM") - self._before[pid]) for pid in self._there()) / MIB

    def _reset(self) -> None:
        for pid in self._there():
            Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")

    def _there(self) -> list[int]:
        return [pid for pid in self._before if Path(f"/proc/{pid}").exists()]


async def calm(pid: int, http_port: int, grpc_port: int) -> None:
    """Waits until both listeners answer at once and the processes have little to do."""
    while True:
        before, start = _processor_seconds(pid), time.monotonic()
        await asyncio.sleep(_WINDOW_SECONDS)
        used = _processor_seconds(pid) - before
        if used / (time.monotonic() - start) > _BUSY:
            continue
        try:
            async with asyncio.timeout(_QUICK_SECONDS):
                await _ask_http(http_port)
                await _ask_grpc(grpc_port)
                return
        except (OSError, EOFError, TimeoutError):
            continue


async def _ask_http(port: int) -> None:
    async with stranger(port) as client:
        await client.send(request("/healthz", method="GET"))
        if await client.status() != 200:
            raise EOFError


async def _ask_grpc(port: int) -> None:
    async with stranger(port) as client:
        await client.send(PREFACE + frame(SETTINGS, 0, 0, b""))
        async for _ in frames(client.reader):
            return
        raise EOFError


def _processor_seconds(pid: int) -> float:
    used = 0
    for one in processes(pid):
        stat = Path(f"/proc/{one}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        used += int(stat[11]) + int(stat[12])
    return used / _TICKS


def _status(pid: int, name: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition(f"{name}:")[2].split()[0]) * 1024

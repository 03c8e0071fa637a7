"""Starts the peers' processes on a core of their own, and reads what they use."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .environments import Environments
from .peers import ServerSpec

_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Cores:
    """The core that servers run on, and the one for their clients; or several, as taskset takes."""

    server: str
    client: str


@dataclass(frozen=True, slots=True)
class Server:
    """A running process, and those that it has started.

    Attributes:
        pid: Its id.
        ports: Its ports, by the names in `ServerSpec.command`.
        log: What it writes.
    """

    pid: int
    ports: Mapping[str, int]
    log: Path

    def cpu_seconds(self) -> float:
        """The processor time of all processes and threads until now."""
        user_and_system = (stat[11:13] for stat in _tree(self.pid))
        return sum(int(ticks) for both in user_and_system for ticks in both) / _TICKS_PER_SECOND

    def memory_bytes(self) -> int:
        """The resident memory of the process itself."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE_BYTES


def _tree(root: int) -> list[list[str]]:
    """What /proc/PID/stat says of a process and its descendants, from the state on."""
    found: dict[int, list[str]] = {}
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        found[int(folder.name)] = stat
        children.setdefault(int(stat[1]), []).append(int(folder.name))
    tree = [root]
    for pid in tree:
        tree.extend(children.get(pid, ()))
    return [found[pid] for pid in tree if pid in found]


def cores() -> Cores:
    """Chooses two cores.

    Raises:
        RuntimeError: There is only one.
    """
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        raise RuntimeError("two processor cores are needed: one for servers, one for clients")
    return Cores(server=str(available[1]), client=str(available[0]))


def pinned(cores: str, command: Sequence[str]) -> list[str]:
    """The command that runs `command` on these cores."""
    return ["taskset", "--cpu-list", cores, *command]


@contextmanager
def running(
    spec: ServerSpec,
    environments: Environments,
    cores: str,
    further: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Runs a server; it may not listen yet.

    Args:
        spec: What to run.
        environments: Where it is.
        cores: What it may run on.
        further: Environment variables beside those of `spec`.

    Raises:
        RuntimeError: It does not stop in time, or has failed in the meantime.
    """
    ports = {name: _free_port() for name in ("port", "grpc_port")}
    command = [part.format(**ports, cache=environments.cache) for part in spec.command]
    argv = environments.command(spec.environment, command)
    variables = {name: value.format(**ports) for name, value in spec.variables.items()}
    log = environments.cache / "logs" / f"{spec.name}.log"
    log.parent.mkdir(exist_ok=True)
    with (
        log.open("wb"),
        # Appending, so that a log that was emptied in between begins at the beginning again.
        log.open("ab") as output,
        subprocess.Popen(
            pinned(cores, argv),
            env=environments.variables | variables | dict(further or {}),
            cwd=environments.cache,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            yield Server(process.pid, ports, log)
            if process.poll() is not None:
                raise RuntimeError(f"{spec.name} has ended: see {log}")
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_until_listening(server: Server, port_name: str) -> None:
    """Waits until a port accepts connections.

    Raises:
        RuntimeError: It does not within a minute, or the process has ended.
    """
    give_up_at = time.monotonic() + _START_SECONDS
    while True:
        try:
            with socket.create_connection(("127.0.0.1", server.ports[port_name]), timeout=1):
                return
        except OSError:
            if time.monotonic() > give_up_at or _has_ended(server.pid):
                raise RuntimeError(f"the server does not start: see {server.log}") from None
            time.sleep(0.002)  # between two looks: how soon a start is seen


def _has_ended(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


_ports = itertools.count(20_000)  # below those that the system gives to clients


def _free_port() -> int:
    for port in _ports:
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("a counter does not end")

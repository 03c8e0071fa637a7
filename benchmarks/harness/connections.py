"""What connections cost: memory of idle ones over HTTP/2, and calls of many."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .load import LoadError
from .peers import SERVERS
from .results import add
from .rounds import Run
from .servers import Server, pinned, running, wait_until_listening

IDLE = 10_000
COUNTS = (IDLE, 10, 1_000)
"""The idle ones first: their memory is that of a process that has not had many before."""
CONNECTION_SERVERS = ("service-http2", "uvicorn-http2")
_FEWEST_DESCRIPTORS = IDLE + 1_000
_WARM_UP_CONNECTIONS, _WARM_UP_SECONDS = 100, 0.2
_KEEP_OPEN = {"BENCH_HTTP_KEEPALIVE_SECONDS": "600"}


@dataclass(frozen=True, slots=True)
class _Open:
    """A client that has its connections open."""

    process: subprocess.Popen[str]

    def make_calls(self, seconds: float) -> tuple[int, float]:
        """Has it call, one at a time on each connection; answers the calls, and the seconds.

        Raises:
            LoadError: The server has closed a connection.
        """
        if self.process.stdin is None or self.process.stdout is None:
            raise AssertionError("both are pipes")
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        told = self.process.stdout.readline()
        if not told:
            raise LoadError("the server has closed a connection")
        count, took = told.split()
        return int(count), float(took)


def measure_connections(run: Run) -> None:
    """Measures the servers of `CONNECTION_SERVERS`."""
    limit = _raise_limit_of_descriptors()
    if limit < _FEWEST_DESCRIPTORS:
        run.results.missing["connections"] = (
            f"{limit} file descriptors are allowed, which is too few"
        )
        return
    specs = [spec for spec in SERVERS if spec.name in CONNECTION_SERVERS]
    for number in range(run.plan.scale_rounds):
        run.report(f"connections, round {number + 1} of {run.plan.scale_rounds}")
        for spec in specs:
            figures = run.results.connections.setdefault(spec.name, {})
            with running(spec, run.environments, run.cores.server, _KEEP_OPEN) as server:
                wait_until_listening(server, "port")
                with _opened(run, server, _WARM_UP_CONNECTIONS) as client:
                    client.make_calls(_WARM_UP_SECONDS)
                for count in COUNTS:
                    before = server.memory_bytes()
                    with _opened(run, server, count) as client:
                        if count == IDLE:
                            grown = server.memory_bytes() - before
                            add(figures, idle_kib=grown / 1024 / IDLE)
                        cpu = server.cpu_seconds()
                        try:
                            calls, seconds = client.make_calls(run.plan.peak_seconds)
                        except LoadError as error:
                            # A peer may take much for a flood; what is known of it stays.
                            run.report(f"{spec.name}, {count} connections: {error}")
                            continue
                        cpu = server.cpu_seconds() - cpu
                        add(
                            figures,
                            **{f"calls_{count}": calls / seconds, f"us_{count}": cpu / calls * 1e6},
                        )


@contextmanager
def _opened(run: Run, server: Server, count: int) -> Iterator[_Open]:
    """Runs a client, from when its connections are open."""
    arguments = [str(server.ports["port"]), str(count), str(run.small.grpc)]
    command = run.environments.peer("service", "connections.py", *arguments)
    with subprocess.Popen(
        pinned(run.cores.client, command),
        env=run.environments.variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        if process.stdout is None or process.stdout.readline() != "open\n":
            raise RuntimeError(f"not all of {count} connections could be opened: see {server.log}")
        yield _Open(process)
        process.communicate()


def _raise_limit_of_descriptors() -> int:
    """Allows this process and those it starts as many as it may; answers how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most

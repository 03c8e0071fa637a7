"""The rounds: every target in turn, again and again, so that noise hits all alike.

Each round of peaks has servers of its own: where a process happens to have its memory makes a
difference of some percent, which more rounds with the same one would not even out.
"""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from .environments import Environments
from .figures import median
from .load import LoadError, latency, peak, trial
from .messages import SIZES, STREAM, Request
from .peers import SERVERS
from .results import Results, add
from .servers import Cores, Server, pinned, running, wait_until_listening
from .targets import LATENCIES, STREAMS, Target

_FEWEST_REQUESTS = 16

Report = Callable[[str], None]
Job = tuple[Target, str]
"""A target, and the name of the size of its requests."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        rounds: Of each figure.
        peak_seconds: For each measurement of a peak.
        starts: How often the service is started; once more, before that, unmeasured.
        latency_rounds: Of each latency; 0 measures none.
        latency_seconds: For each measurement of latency.
        generations: How often a project is generated, with uv; once without, if any.
        scale_rounds: Of what connections, workers and services cost.
    """

    rounds: int
    peak_seconds: float
    starts: int
    latency_rounds: int
    latency_seconds: float
    generations: int
    scale_rounds: int


FULL = Plan(
    rounds=5,
    peak_seconds=1.2,
    starts=11,
    latency_rounds=3,
    latency_seconds=1.5,
    generations=3,
    scale_rounds=3,
)
QUICK = Plan(
    rounds=5,
    peak_seconds=0.2,
    starts=1,
    latency_rounds=0,
    latency_seconds=0.0,
    generations=0,
    scale_rounds=1,
)


@dataclass(frozen=True, slots=True)
class Run:
    """What all measurements of a run have in common.

    Attributes:
        environments: Of the servers and the clients.
        requests: By the names of their sizes.
        cores: For the servers and the load generator.
        plan: How much is measured.
        results: Where the figures go.
        report: Says what is being measured.
    """

    environments: Environments
    requests: Mapping[str, Request]
    cores: Cores
    plan: Plan
    results: Results
    report: Report

    @property
    def small(self) -> Request:
        """What is sent where the size does not matter."""
        return self.requests[SIZES[0].name]


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything that the rounds need."""

    environments: Environments
    requests: Mapping[str, Request]
    servers: Mapping[str, Server]
    cores: Cores


@contextmanager
def bench(run: Run, jobs: Sequence[Job]) -> Iterator[Bench]:
    """Starts the servers of the jobs and waits until they answer correctly.

    Raises:
        LoadError: One does not.
    """
    wanted = {target.server for target, _ in jobs}
    specs = [spec for spec in SERVERS if spec.name in wanted]
    with ExitStack() as stack:
        servers = {
            spec.name: stack.enter_context(running(spec, run.environments, run.cores.server))
            for spec in specs
        }
        for spec in specs:
            for port_name in ("port", "grpc_port"):
                if any(
                    f"{{{port_name}}}" in part for part in (*spec.command, *spec.variables.values())
                ):
                    wait_until_listening(servers[spec.name], port_name)
        made = Bench(run.environments, run.requests, servers, run.cores)
        for target, size in jobs:
            if target.protocol == "http" and size != STREAM.name and not target.headers:
                check_answer(target, made.servers[target.server], run.requests[size])
        check_grpc_answers(made, [target for target, _ in jobs])
        yield made


def check_grpc_answers(bench: Bench, targets: Sequence[Target]) -> None:
    """Has gRPC's own client call every RPC of the gRPC servers.

    Raises:
        LoadError: An answer is wrong, or a call has failed.
    """
    ports = {
        bench.servers[target.server].ports[target.port]: target.title
        for target in targets
        if target.protocol == "grpc" and not target.headers
    }
    folder = bench.environments.cache / "requests"
    command = bench.environments.peer("service", "check_grpc.py", str(folder), *map(str, ports))
    done = subprocess.run(
        pinned(bench.cores.client, command),
        check=False,
        capture_output=True,
        encoding="utf-8",
        env=bench.environments.variables,
        timeout=120,
    )
    if done.returncode:
        raise LoadError(f"{done.stderr.strip()} (of the ports {ports})")


def check_answer(target: Target, server: Server, request: Request) -> None:
    """Makes one HTTP call.

    Raises:
        LoadError: The answer is not the one that is due.
    """
    method = request.size.method
    sent = request.json.read_bytes()
    call = urllib.request.Request(
        f"http://127.0.0.1:{server.ports['port']}"
        + target.path.format(method=method, lower=method.lower()),
        sent,
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(call, timeout=30) as response:
        answer = json.load(response)
    echoed = method == "Echo" or target.name == "limit"
    due = json.loads(sent) if echoed else {"message": "Hello, World!"}
    if target.name == "stock":
        # It prints names as in the .proto file, and leaves out empty fields.
        answer, due = len(answer), len(due)
    if answer != due:
        raise LoadError(f"{target.name} answers {str(answer)[:200]} to {request.size.name}")


def measure_peaks(run: Run, jobs: Sequence[Job]) -> None:
    """Measures what every target does when it is given all that it can take."""
    for number in range(run.plan.rounds):
        run.report(f"peaks, round {number + 1} of {run.plan.rounds}")
        with bench(run, jobs) as made:
            # Also warms up: what is compiled, cached or grown at first is not what is measured.
            rates = {
                (target.name, size): trial(
                    target, made.servers[target.server], made.requests[size], made.cores
                )
                for target, size in jobs
            }
            for target, size in _rotated(jobs, number):
                requests = (
                    round(rates[target.name, size] * run.plan.peak_seconds) + _FEWEST_REQUESTS
                )
                if target.most_requests is not None:
                    requests = min(requests, target.most_requests)
                found = peak(
                    *(target, made.servers[target.server], made.requests[size]),
                    *(made.cores, requests),
                )
                figures = run.results.peaks.setdefault(target.name, {}).setdefault(size, {})
                add(
                    figures,
                    requests_per_second=found.requests_per_second,
                    cpu_us=found.cpu_us,
                    load_us=found.load_us,
                )


def measure_latencies(run: Run, bench: Bench, jobs: Sequence[Job]) -> None:
    """Measures latency at half of each target's own peak, for targets that have one."""
    jobs = [job for job in jobs if job[0] in LATENCIES]
    if run.plan.latency_rounds:
        for target, size in jobs:  # warms up
            trial(target, bench.servers[target.server], bench.requests[size], bench.cores)
    for number in range(run.plan.latency_rounds):
        run.report(f"latency, round {number + 1} of {run.plan.latency_rounds}")
        for target, size in _rotated(jobs, number):
            rate = median(run.results.peaks[target.name][size]["requests_per_second"]) / 2
            found = latency(
                *(target, bench.servers[target.server], bench.requests[size]),
                *(bench.cores, run.plan.latency_seconds, rate),
            )
            figures = run.results.latencies.setdefault(target.name, {}).setdefault(size, {})
            add(figures, rate=rate, p50_us=found.p50_us, p99_us=found.p99_us)


def measure_first_messages(run: Run, bench: Bench) -> None:
    """Measures when the first message of a stream arrives."""
    run.report("first messages of streams")
    for target in STREAMS:
        if target.name not in run.results.peaks:
            continue
        port = bench.servers[target.server].ports[target.port]
        command = bench.environments.peer("service", "first_message.py", target.protocol, str(port))
        lines = subprocess.run(
            pinned(bench.cores.client, command),
            check=True,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=bench.environments.variables,
            timeout=60,
        ).stdout.splitlines()
        figures = run.results.first_messages.setdefault(target.name, {})
        # The first few calls open the connection.
        for line in lines[5:]:
            first, second = map(float, line.split())
            add(figures, first_us=first, second_us=second)


def _rotated(jobs: Sequence[Job], by: int) -> list[Job]:
    """The jobs in their order, with another one first: none always follows a pause."""
    start = by * len(jobs) // 5 % len(jobs)
    return [*jobs[start:], *jobs[:start]]

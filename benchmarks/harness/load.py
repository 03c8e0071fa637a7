"""The load: h2load (nghttp2), over HTTP/1.1 or HTTP/2 for JSON and over HTTP/2 for gRPC."""

from __future__ import annotations

import re
import resource
import statistics
import subprocess
from dataclasses import dataclass

from .messages import Request
from .servers import Cores, Server, pinned
from .targets import Target

_CONNECTIONS = {"http": 16, "http2": 4, "grpc": 4}
_CALLS_PER_CONNECTION = {"http": 1, "http2": 4, "grpc": 8}
_LARGE_BYTES = 64 * 1024
_IN_FLIGHT_IF_LARGE = 4
_TRIALS = ("--duration=300ms", "--duration=4s")
_SUMMARY = re.compile(
    r"finished in ([\d.]+)(us|ms|s), .*?"
    r"requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed.*?"
    r"status codes: (\d+) 2xx.*?"
    r"traffic: .*?\((\d+)\) data",
    re.DOTALL,
)
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


class LoadError(Exception):
    """The load generator failed, or an answer was not the one that was due."""


class NoAnswerError(LoadError):
    """Nothing was answered in the time that there was."""


@dataclass(frozen=True, slots=True)
class Peak:
    """What a server does when it is given all that it can take.

    Attributes:
        requests_per_second: That were answered.
        cpu_us: Microseconds of processor time per request, of all its processes and threads.
        load_us: The same of the load generator.
    """

    requests_per_second: float
    cpu_us: float
    load_us: float


@dataclass(frozen=True, slots=True)
class Latency:
    """How long answers take at a fixed rate, in microseconds."""

    p50_us: float
    p99_us: float


def check_tool() -> str:
    """Answers the version of h2load.

    Raises:
        LoadError: It is not installed.
    """
    try:
        done = subprocess.run(
            ["h2load", "--version"], check=True, capture_output=True, encoding="utf-8"
        )
    except FileNotFoundError:
        raise LoadError("h2load is missing: apt-get install nghttp2-client") from None
    return done.stdout.strip()


def trial(target: Target, server: Server, request: Request, cores: Cores) -> float:
    """Loads a server for a moment and estimates its peak, in requests per second.

    Raises:
        LoadError: See there.
    """
    short, long = _TRIALS
    try:
        found = _run(target, server, request, cores, short)
    except NoAnswerError:
        found = _run(target, server, request, cores, long)
    return found.requests / found.seconds


def peak(
    target: Target,
    server: Server,
    request: Request,
    cores: Cores,
    requests: int,
    shape: tuple[int, int] | None = None,
) -> Peak:
    """Loads a server as much as it can take, until it has answered `requests`.

    Args:
        target: What is called.
        server: The process that serves it.
        request: What is sent.
        cores: What the load generator runs on.
        requests: How many.
        shape: Connections, and calls at a time on each; None: as usual for the protocol.

    Raises:
        LoadError: See there.
    """
    before, load_before = server.cpu_seconds(), _children_seconds()
    found = _run(target, server, request, cores, f"--requests={requests}", shape=shape)
    cpu, load = server.cpu_seconds() - before, _children_seconds() - load_before
    return Peak(
        found.requests / found.seconds, cpu / found.requests * 1e6, load / found.requests * 1e6
    )


def latency(
    target: Target, server: Server, request: Request, cores: Cores, seconds: float, rate: float
) -> Latency:
    """Measures latency at `rate` requests per second, spread evenly over the connections.

    Raises:
        LoadError: See there.
    """
    log = server.log.with_suffix(".h2load")
    log.unlink(missing_ok=True)
    per_connection = max(1, round(rate / _concurrency(target, request)[0]))
    _run(
        *(target, server, request, cores, f"--requests={round(rate * seconds)}"),
        *(f"--rps={per_connection}", f"--log-file={log}"),
    )
    times = [float(line.split("\t")[2]) for line in log.read_text().splitlines()]
    # The connections are opened together: the first moments are not those of a steady rate.
    percentiles = statistics.quantiles(times[len(times) // 10 :], n=100)
    return Latency(percentiles[49], percentiles[98])


@dataclass(frozen=True, slots=True)
class _Summary:
    requests: int
    seconds: float


def _concurrency(target: Target, request: Request) -> tuple[int, int]:
    """Connections, and calls at a time on each."""
    if request.json.stat().st_size > _LARGE_BYTES:
        return _IN_FLIGHT_IF_LARGE, 1
    return _CONNECTIONS[target.protocol], _CALLS_PER_CONNECTION[target.protocol]


def _children_seconds() -> float:
    """The processor time of the load generators that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(
    target: Target,
    server: Server,
    request: Request,
    cores: Cores,
    *options: str,
    shape: tuple[int, int] | None = None,
) -> _Summary:
    native = target.protocol == "grpc"
    port = server.ports[target.port]
    method = request.size.method
    path = target.path.format(method=method, lower=method.lower())
    headers = (
        {"content-type": "application/grpc", "te": "trailers"}
        if native
        else {"content-type": "application/json"}
    )
    connections, calls = shape or _concurrency(target, request)
    command = [
        *("h2load", f"--clients={connections}", f"--max-concurrent-streams={calls}"),
        f"--data={request.grpc if native else request.json}",
        *(["--h1"] if target.protocol == "http" else []),
        *(f"--header={name}: {value}" for name, value in (headers | dict(target.headers)).items()),
        *options,
        f"http://127.0.0.1:{port}{path}",
    ]
    try:
        done = subprocess.run(
            pinned(cores.client, command), capture_output=True, encoding="utf-8", timeout=60
        )
    except subprocess.TimeoutExpired:
        raise LoadError(f"{target.name} does not answer {request.size.name}") from None
    # The log that the service writes is part of its work, but nobody needs it.
    server.log.write_bytes(b"")
    found = _SUMMARY.search(done.stdout)
    if found is None:
        raise LoadError(f"{target.name}: {done.stdout}{done.stderr}")
    finished, succeeded, failed, good = (int(found[group]) for group in (4, 5, 6, 7))
    if not finished and not failed:
        raise NoAnswerError(f"{target.name} answers nothing in {found[1]} {found[2]}")
    if failed or good < succeeded:
        raise LoadError(f"{target.name}: not all requests succeeded:\n{done.stdout}")
    if native and int(found[8]) < finished * request.grpc_answer_bytes:
        # gRPC's own status is in the trailers, which the load generator does not look at.
        raise LoadError(f"{target.name}: answers are too short:\n{done.stdout}")
    return _Summary(finished, float(found[1]) * _UNITS[found[2]])

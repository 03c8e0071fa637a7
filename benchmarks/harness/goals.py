"""The goals, and whether a run meets them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from .figures import is_steady, median, ratio
from .messages import SIZES, STREAM
from .results import Results

_AT_LEAST = {
    # Ratios of requests per second, by size: ours, the other's, what is wanted.
    "gRPC on the HTTP listener / bare `grpc.aio`": (
        "service-http2",
        "grpc-aio",
        {"small": 5.0, "1kb": 4.0, "1000items": 1.4},
    ),
    "`ServiceGateway` alone over HTTP/2 / bare `grpc.aio`": (
        "gateway-http2",
        "grpc-aio",
        {"small": 8.0},
    ),
    "gRPC stream on the HTTP listener / native stream of bare `grpc.aio`": (
        "service-http2-stream",
        "grpc-aio-stream",
        {STREAM.name: 4.0},
    ),
    "Connect in JSON / HTTP/JSON, same listener": ("wire-connect", "wire-http1", {"small": 0.9}),
    "HTTP/JSON over HTTP/2 / over HTTP/1.1": (
        "wire-http2",
        "wire-http1",
        {"small": 1.0, "1kb": 1.0, "1000items": 1.0},
    ),
    "`ServiceGateway` in Esmerald / the limit": (
        "documented",
        "limit",
        {"small": 0.75, "1kb": 0.40, "1000items": 0.28},
    ),
    "the service over HTTP / the limit": ("service", "limit", {"small": 0.50}),
    "the service over HTTP / FastAPI calling the servicer": (
        "service",
        "fastapi-direct",
        {"1kb": 3.0, "1000items": 5.0},
    ),
    "the service over gRPC by `grpc.aio` / bare `grpc.aio`": (
        "service-grpc",
        "grpc-aio",
        {"small": 1.05, "1kb": 1.05, "1000items": 1.05},
    ),
    "the service's NDJSON stream / native stream of bare `grpc.aio`": (
        "service-stream",
        "grpc-aio-stream",
        {STREAM.name: 1.5},
    ),
    # No slower than they were at the end of November 2026, less 3 %; by then the ratios were 0.721,
    # 0.396, 0.254 and 0.575, 0.383, 0.248.
    "`ServiceGateway` in Esmerald / the limit, as before": (
        "documented",
        "limit",
        {"small": 0.70, "1kb": 0.384, "1000items": 0.246},
    ),
    "the service over HTTP / the limit, as before": (
        "service",
        "limit",
        {"small": 0.558, "1kb": 0.372, "1000items": 0.241},
    ),
    # Within noise: no more than the rounds may differ anyway.
    "the service over HTTP / the same without reflection": (
        "usual",
        "no-reflection",
        {"small": 0.95},
    ),
    "the service over gRPC / the same without reflection": (
        "usual-grpc",
        "no-reflection-grpc",
        {"small": 0.95},
    ),
}
TARGETS_OF_GOALS = {name for ours, theirs, _ in _AT_LEAST.values() for name in (ours, theirs)}
_TITLES = {size.name: size.title for size in (*SIZES, STREAM)}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal and what was measured.

    Attributes:
        goal: What is measured.
        wanted: The figure that is wanted, such as `at least 0.75`.
        measured: The figure; None: the rounds differ too much, or there are too few.
        met: Whether it is what is wanted; None: not known.
        by_cpu: The same ratio by processor time, which is steadier.
    """

    goal: str
    wanted: str
    measured: float | None
    met: bool | None
    by_cpu: float | None = None


def verdicts(results: Results) -> Iterator[Verdict]:
    """Judges every goal of which there are figures."""
    yield from _throughput(results)
    yield from _processor_time(results)
    yield from _latency(results)
    yield from _start(results)
    yield from _connections(results)
    if "uv" in results.generations:
        seconds = median(results.generations["uv"])
        yield Verdict("generation with uv, seconds", "at most 5", seconds, seconds <= 5)


def unsteady(results: Results) -> list[str]:
    """Names the peaks that may not be compared with others, and why."""
    return [
        f"{target}, {size}"
        for target, sizes in results.peaks.items()
        for size, figures in sizes.items()
        if not is_steady(figures["requests_per_second"])
    ]


def _throughput(results: Results) -> Iterator[Verdict]:
    for goal, (ours, theirs, wanted) in _AT_LEAST.items():
        for size, least in wanted.items():
            our = results.peaks.get(ours, {}).get(size)
            their = results.peaks.get(theirs, {}).get(size)
            if our is None or their is None:
                continue
            measured = ratio(our["requests_per_second"], their["requests_per_second"])
            yield Verdict(
                f"{goal}, {_TITLES[size]}",
                f"at least {least}",
                measured,
                None if measured is None else measured >= least,
                median(their["cpu_us"]) / median(our["cpu_us"]),
            )


def _processor_time(results: Results) -> Iterator[Verdict]:
    size = SIZES[0]
    pair = [results.peaks.get(name, {}).get(size.name) for name in ("service-http2", "grpc-native")]
    ours, theirs = pair
    if ours is None or theirs is None:
        return
    goal = "processor time, gRPC on the HTTP listener / pygrpc-native with nothing on"
    verdict = _at_most(f"{goal}, {size.title}", 1.0, ours["cpu_us"], theirs["cpu_us"])
    yield replace(verdict, by_cpu=median(ours["cpu_us"]) / median(theirs["cpu_us"]))


def _latency(results: Results) -> Iterator[Verdict]:
    ours, theirs = (results.latencies.get(name, {}) for name in ("service-http2", "grpc-aio"))
    for size in SIZES:
        if size.name in ours and size.name in theirs:
            # Of a few rounds, each with thousands of calls: they are compared as they are.
            measured = median(ours[size.name]["p99_us"]) / median(theirs[size.name]["p99_us"])
            goal = "p99 at half of the peak, gRPC on the HTTP listener / bare `grpc.aio`"
            yield Verdict(f"{goal}, {size.title}", "at most 1.0", measured, measured <= 1.0)


def _start(results: Results) -> Iterator[Verdict]:
    if "service" not in results.starts:
        return
    ours, imports = results.starts["service"], results.starts["imports"]
    for figure, goal, most in (
        ("seconds", "start to first answer / importing the libraries", 1.3),
        ("memory_mib", "memory of a worker / after importing the libraries", 1.25),
    ):
        yield _at_most(goal, most, ours[figure], imports[figure])


def _connections(results: Results) -> Iterator[Verdict]:
    pair = [results.connections.get(name) for name in ("service-http2", "uvicorn-http2")]
    ours, theirs = pair
    if ours is None or theirs is None:
        return
    more = median(ours["idle_kib"]) - median(theirs["idle_kib"])
    goal = "KiB of an idle HTTP/2 connection, more than uvicorn's"
    yield Verdict(goal, "at most 20", more, more <= 20)


def _at_most(goal: str, most: float, ours: list[float], theirs: list[float]) -> Verdict:
    measured = ratio(ours, theirs)
    return Verdict(
        goal, f"at most {most}", measured, None if measured is None else measured <= most
    )

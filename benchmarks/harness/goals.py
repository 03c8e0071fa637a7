"""The goals, and whether a run meets them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .figures import is_steady, median, ratio
from .messages import SIZES, STREAM
from .results import Results

_AT_LEAST = {
    # Ratios of requests per second, by size: ours, the other's, what is wanted.
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
    "the service over gRPC / bare `grpc.aio`": (
        "service-grpc",
        "grpc-aio",
        {"small": 1.05, "1kb": 1.05, "1000items": 1.05},
    ),
    "the service's NDJSON stream / native stream of bare `grpc.aio`": (
        "service-stream",
        "grpc-aio-stream",
        {STREAM.name: 1.5},
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
_TITLES = {size.name: size.title for size in (*SIZES, STREAM)}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal and what was measured.

    Attributes:
        goal: What is measured.
        wanted: The figure that is wanted, such as `at least 0.75`.
        measured: The figure; None: the rounds differ too much, or there are too few.
        met: Whether it is what is wanted; None: not known.
        by_cpu: The same ratio in requests per second of processor time, which is steadier.
    """

    goal: str
    wanted: str
    measured: float | None
    met: bool | None
    by_cpu: float | None = None


def verdicts(results: Results) -> Iterator[Verdict]:
    """Judges every goal of which there are figures."""
    for goal, (ours, theirs, wanted) in _AT_LEAST.items():
        for size, least in wanted.items():
            our, their = results.peaks[ours][size], results.peaks[theirs][size]
            measured = ratio(our["requests_per_second"], their["requests_per_second"])
            yield Verdict(
                f"{goal}, {_TITLES[size]}",
                f"at least {least}",
                measured,
                None if measured is None else measured >= least,
                median(their["cpu_us"]) / median(our["cpu_us"]),
            )
    for figure, goal, most in (
        ("seconds", "start to first answer / importing the libraries", 1.3),
        ("memory_mib", "memory of a worker / after importing the libraries", 1.25),
    ):
        measured = ratio(results.starts["service"][figure], results.starts["imports"][figure])
        met = None if measured is None else measured <= most
        yield Verdict(goal, f"at most {most}", measured, met)
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

"""The parts of a run, each of which can be measured alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from .messages import SIZES, STREAM
from .peers import SERVERS, missing
from .rounds import Job
from .targets import FEATURES, GRPC, HTTP, STREAMS, WIRES, Target

_EVERY_SIZE = tuple(size.name for size in SIZES)
_JOBS: Mapping[str, tuple[Sequence[Target], Sequence[str]]] = {
    "http": (HTTP, _EVERY_SIZE),
    "grpc": (GRPC, _EVERY_SIZE),
    "wires": (WIRES, _EVERY_SIZE),
    "streams": (STREAMS, [STREAM.name]),
    "features": (FEATURES, _EVERY_SIZE[:1]),
}
PARTS = (*_JOBS, "starts", "scale", "generation")
"""What `--only` may name."""


def jobs_of(parts: Collection[str], unavailable: Collection[str]) -> list[Job]:
    """What has a peak to be measured, smallest messages first.

    Args:
        parts: Of `PARTS`.
        unavailable: The names of the servers that cannot be had.
    """
    jobs = [
        (target, size)
        for part in _JOBS
        if part in parts
        for target in _JOBS[part][0]
        for size in _JOBS[part][1]
        if target.server not in unavailable
    ]
    order = [size.name for size in (*SIZES, STREAM)]
    return sorted(jobs, key=lambda job: order.index(job[1]))


def unavailable_servers(environments: Mapping[str, str]) -> dict[str, str]:
    """Why a server cannot be started, by its name.

    Args:
        environments: Why an environment is not there, by its name.
    """
    reasons = {spec.name: missing(spec, environments) for spec in SERVERS}
    return {name: reason for name, reason in reasons.items() if reason is not None}

"""Metrics of the calls, under the names that gRPC's own middleware uses.

They are plain numbers until somebody asks for them. Where `PROMETHEUS_MULTIPROC_DIR` names a
folder, every process keeps its numbers in files there, and any of them tells the sum.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable
from functools import cache
from typing import Protocol

import grpc

from .rpc import UNKNOWN, Rpc

Labels = tuple[str, str, str, str]
"""The type, service and method of an RPC, and the protocol of its callers."""

FOLDER = "PROMETHEUS_MULTIPROC_DIR"

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""The upper bounds of the buckets that calls are counted in, by how long they took."""

_OK = grpc.StatusCode.OK


class RpcMetrics(Protocol):
    """The metrics of one RPC."""

    def start(self) -> None:
        """Counts a call that begins."""

    def end(self, code: grpc.StatusCode, seconds: float) -> None:
        """Counts a call that ends with `code` after `seconds`."""


def metrics_of(rpc: Rpc) -> RpcMetrics:
    """Finds the metrics of an RPC. All that are unknown share theirs: callers make them up."""
    return keeping()(
        (rpc.type, rpc.service, rpc.method, rpc.protocol)
        if rpc.known
        else (UNKNOWN, UNKNOWN, UNKNOWN, rpc.protocol)
    )


class InMemory:
    """Plain numbers, changed by the event loop's thread alone, which any may read.

    The classes of prometheus_client take a lock for each of the six that a call changes.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        self.succeeded = 0
        self.failed: dict[grpc.StatusCode, int] = {}
        self.seconds = 0.0
        self.buckets = [0] * (len(SECONDS) + 1)

    def start(self) -> None:
        self.in_flight += 1

    def end(self, code: grpc.StatusCode, seconds: float) -> None:
        self.in_flight -= 1
        if code is _OK:  # An enumeration's members take longer to look up than all of this.
            self.succeeded += 1
        else:
            self.failed[code] = self.failed.get(code, 0) + 1
        self.seconds += seconds
        self.buckets[bisect_left(SECONDS, seconds)] += 1


IN_MEMORY: dict[Labels, InMemory] = {}
"""All numbers of this process, where it keeps none in files."""


@cache
def keeping() -> Callable[[Labels], RpcMetrics]:
    """Begins to keep numbers, and finds those of labels.

    From then on those who add up the numbers of all processes see this one.
    """
    if os.environ.get(FOLDER):
        from .prometheus import Files  # Not at the top: all others import it at their first scrape.

        return Files().metrics_of
    return _in_memory


def _in_memory(labels: Labels) -> InMemory:
    return IN_MEMORY.setdefault(labels, InMemory())


RouteLabels = tuple[str, str, int]
"""The HTTP method, the pattern of the route, and the status of the response."""


class InMemoryRoute:
    """Plain numbers of requests to the application's own routes."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.buckets = [0] * (len(SECONDS) + 1)


ROUTES_IN_MEMORY: dict[RouteLabels, InMemoryRoute] = {}
"""All numbers of this process's routes, where it keeps none in files."""


@cache
def route_seconds() -> Callable[[str, str, int, float], None]:
    """Finds what counts a request: by its method, route, status, and how many seconds it took."""
    if os.environ.get(FOLDER):
        from .prometheus import RouteFiles  # As above.

        return RouteFiles().observe
    return _observe_in_memory


def _observe_in_memory(method: str, route: str, status: int, seconds: float) -> None:
    metrics = ROUTES_IN_MEMORY.setdefault((method, route, status), InMemoryRoute())
    metrics.seconds += seconds
    metrics.buckets[bisect_left(SECONDS, seconds)] += 1

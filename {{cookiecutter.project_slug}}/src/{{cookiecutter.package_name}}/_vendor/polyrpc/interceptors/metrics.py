"""Metrics of the calls, under the names that gRPC's own middleware uses.

They are plain numbers until somebody asks for them.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Protocol

import grpc

Labels = tuple[str, str, str, str]
"""The type, service and method of an RPC, and the protocol of its callers."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""The upper bounds of the buckets that calls are counted in, by how long they took."""

_OK = grpc.StatusCode.OK


class RpcMetrics(Protocol):
    """The metrics of one RPC."""

    def start(self) -> None:
        """Counts a call that begins."""

    def end(self, code: grpc.StatusCode, seconds: float) -> None:
        """Counts a call that ends with `code` after `seconds`."""


class RouteMetrics(Protocol):
    """The metrics of requests to one route, with one method and one status."""

    def observe(self, seconds: float, /) -> object:
        """Counts a request that took so long."""


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


RouteLabels = tuple[str, str, int]
"""The HTTP method, the pattern of the route, and the status of the response."""


class InMemoryRoute:
    """Plain numbers of requests to the application's own routes."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.buckets = [0] * (len(SECONDS) + 1)

    def observe(self, seconds: float) -> None:
        """Counts a request that took so long."""
        self.seconds += seconds
        self.buckets[bisect_left(SECONDS, seconds)] += 1

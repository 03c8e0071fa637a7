"""Where the calls of a service are counted: in plain numbers, until Prometheus asks for them."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

import grpc

from ..logs import dropped_lines
from ..metric_files import FOLDER
from ..rpc.method_info import UNKNOWN, MethodInfo

Labels = tuple[str, str, str, str]
"""The type, service and method of an RPC, and the protocol of its callers."""

RouteLabels = tuple[str, str, int]
"""The HTTP method, the pattern of the route, and the status of the response."""

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


class InMemoryRoute:
    """Plain numbers of requests to the application's own routes."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.buckets = [0] * (len(SECONDS) + 1)

    def observe(self, seconds: float) -> None:
        """Counts a request that took so long."""
        self.seconds += seconds
        self.buckets[bisect_left(SECONDS, seconds)] += 1


class Metrics:
    """Counts calls: in plain numbers, or in files where all processes' numbers are added up.

    Two services of one process have one of these each, and nothing in common.
    """

    def __init__(self) -> None:
        self._in_memory: defaultdict[Labels, InMemory] = defaultdict(InMemory)
        self._routes_in_memory: defaultdict[RouteLabels, InMemoryRoute] = defaultdict(InMemoryRoute)
        self._of: Callable[[Labels], RpcMetrics] = self._in_memory.__getitem__
        self._of_route: Callable[[RouteLabels], RouteMetrics] = self._routes_in_memory.__getitem__
        self._folder = os.environ.get(FOLDER)
        if self._folder:
            # Only here: all others import it at their first scrape. From now on those who add up
            # the numbers of all processes see this one.
            from .prometheus import files

            self._of, self._of_route = files().metrics_of, files().route_of

    def of(self, method: MethodInfo) -> RpcMetrics:
        """Finds the metrics of an RPC. All that are unknown share theirs: callers make them up."""
        if method.descriptor is not None:
            return self._of((method.kind, method.service, method.name, method.protocol))
        return self._of((UNKNOWN, UNKNOWN, UNKNOWN, method.protocol))

    def of_route(self, method: str, route: str, status: int) -> RouteMetrics:
        """Finds the metrics of the requests to a route of the application's own.

        Args:
            method: The HTTP method.
            route: The pattern of the route.
            status: The status of the responses.
        """
        return self._of_route((method, route, status))

    def exposition(self) -> tuple[bytes, str]:
        """Writes all metrics, those of the other processes too, and tells their content type."""
        from .prometheus import CONTENT_TYPE_LATEST, of_folder, of_memory

        if self._folder:
            return of_folder(self._folder), CONTENT_TYPE_LATEST
        exposition = of_memory(self._in_memory, self._routes_in_memory, dropped_lines())
        return exposition, CONTENT_TYPE_LATEST

"""The metrics of one service: where its calls are counted, and what Prometheus scrapes."""

from __future__ import annotations

import os
from collections.abc import Callable

from ..logs import dropped_lines
from ..metric_files import FOLDER
from ..rpc.method_info import UNKNOWN, MethodInfo
from .metrics import InMemory, InMemoryRoute, Labels, RouteLabels, RouteMetrics, RpcMetrics


class Metrics:
    """Counts calls: in plain numbers, or in files where all processes' numbers are added up.

    Two services of one process have one of these each, and nothing in common.
    """

    def __init__(self) -> None:
        self._in_memory: dict[Labels, InMemory] = {}
        self._routes_in_memory: dict[RouteLabels, InMemoryRoute] = {}
        self._of_route: Callable[[RouteLabels], RouteMetrics] = self._of_route_in_memory
        self._of: Callable[[Labels], RpcMetrics] = self._of_memory
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

    def _of_memory(self, labels: Labels) -> InMemory:
        return self._in_memory.setdefault(labels, InMemory())

    def _of_route_in_memory(self, labels: RouteLabels) -> InMemoryRoute:
        return self._routes_in_memory.setdefault(labels, InMemoryRoute())

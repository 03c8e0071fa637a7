"""What Prometheus scrapes: the metrics of the calls, of the process, and any others.

This module alone imports prometheus_client, and nothing that a call needs imports this one: it
takes a fiftieth of a start. Metrics that the service makes itself, in prometheus_client's own
`REGISTRY`, are part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from itertools import accumulate
from math import inf
from pathlib import Path

import grpc
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from ..logs import dropped_lines, on_drop
from ..metric_files import read_undisturbed
from ..version import version
from .metrics import SECONDS, InMemory, InMemoryRoute, Labels, RouteLabels

__all__ = ["CONTENT_TYPE_LATEST", "Files", "files", "of_folder", "of_memory"]

_RPC = ("grpc_type", "grpc_service", "grpc_method", "protocol")
_CODE = "grpc_code"
_PROTOCOLS = ("grpc", "http", "grpc-web", "connect")
_OK = grpc.StatusCode.OK
_STARTED = ("grpc_server_started_total", "RPCs that were started.")
_HANDLED = ("grpc_server_handled_total", "RPCs that have ended, by status.")
_HANDLING = ("grpc_server_handling_seconds", "How long RPCs took to handle.")
_REQUESTS = ("http_server_request_duration_seconds", "How long requests to other routes took.")
_ROUTE = ("http_request_method", "http_route", "http_response_status_code")
_IN_FLIGHT = ("grpc_server_in_flight", "RPCs now being handled.")
_DROPPED = ("log_lines_dropped_total", "Log lines dropped: nobody took them fast enough.")
_VERSION = ("polyrpc", "The version of the library that serves.")

# They would double the number of series, and say when counting began, which `process_*` says too.
disable_created_metrics()  # type: ignore[no-untyped-call]  # it has none


def of_memory(
    calls: Mapping[Labels, InMemory], routes: Mapping[RouteLabels, InMemoryRoute], dropped: int
) -> bytes:
    """Writes the metrics of this process.

    Args:
        calls: The calls of the service.
        routes: The requests to its own routes.
        dropped: How many log lines were dropped.
    """
    own = CollectorRegistry()
    own.register(_Memory(calls, routes, dropped))
    return generate_latest(REGISTRY) + generate_latest(own)


def of_folder(folder: str) -> bytes:
    """Writes the metrics of all processes that share a folder."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]  # as above
    registry.register(_Processes(Path(folder)))
    return read_undisturbed(folder, lambda: generate_latest(registry))


@dataclass(eq=False)
class _Memory(Collector):
    """All numbers of a service, under the names and labels of the metrics."""

    calls: Mapping[Labels, InMemory]
    routes: Mapping[RouteLabels, InMemoryRoute]
    dropped: int

    def collect(self) -> Iterator[Metric]:
        started = CounterMetricFamily(*_STARTED, labels=_RPC)
        handled = CounterMetricFamily(*_HANDLED, labels=(*_RPC, _CODE))
        handling = HistogramMetricFamily(*_HANDLING, labels=_RPC)
        in_flight = dict.fromkeys(_PROTOCOLS, 0)
        for labels, metrics in list(self.calls.items()):
            ended_by_code = list(metrics.failed.items())
            if metrics.succeeded:
                ended_by_code.append((_OK, metrics.succeeded))
            count = sum(ended for _, ended in ended_by_code)
            started.add_metric(labels, count + metrics.in_flight)
            for code, ended in ended_by_code:
                handled.add_metric((*labels, code.name), ended)
            handling.add_metric(labels, _buckets(metrics.buckets), metrics.seconds)
            in_flight[labels[-1]] = in_flight.get(labels[-1], 0) + metrics.in_flight
        yield from (started, handled, handling)
        gauge = GaugeMetricFamily(*_IN_FLIGHT, labels=("protocol",))
        for protocol, number in in_flight.items():
            gauge.add_metric((protocol,), number)
        yield gauge
        requests = HistogramMetricFamily(*_REQUESTS, labels=_ROUTE)
        for (method, route, status), numbers in list(self.routes.items()):
            buckets = _buckets(numbers.buckets)
            requests.add_metric((method, route, str(status)), buckets, numbers.seconds)
        yield requests
        yield CounterMetricFamily(*_DROPPED, value=self.dropped)
        yield _info()


def _buckets(counts: Iterable[int]) -> list[tuple[str, float]]:
    bounds = map(floatToGoString, (*SECONDS, inf))
    return list(zip(bounds, accumulate(counts), strict=True))


class _InFiles:
    """Numbers in the folder that all processes share."""

    def __init__(self, files: Files, labels: Labels) -> None:
        self._labels = labels
        self._handled_by_code = files.handled
        self._started = files.started.labels(*labels)
        self._seconds = files.handling.labels(*labels)
        self._in_flight = files.in_flight.labels(labels[-1])
        self._handled: dict[grpc.StatusCode, Counter] = {}

    def start(self) -> None:
        self._started.inc()
        self._in_flight.inc()

    def end(self, code: grpc.StatusCode, seconds: float) -> None:
        self._in_flight.dec()
        self._seconds.observe(seconds)
        handled = self._handled.get(code)
        if handled is None:
            handled = self._handled_by_code.labels(*self._labels, code.name)
            self._handled[code] = handled
        handled.inc()


@cache
def files() -> Files:
    """The one of this process: two would write each other's numbers over."""
    return Files()


class Files:
    """The metrics whose numbers are in files, which any process adds up.

    Attributes:
        metrics_of: Finds the metrics of an RPC.
    """

    def __init__(self) -> None:
        # In no registry: who adds up reads the files, and other services have theirs.
        self.started = Counter(*_STARTED, _RPC, registry=None)
        self.handled = Counter(*_HANDLED, (*_RPC, _CODE), registry=None)
        self.handling = Histogram(*_HANDLING, _RPC, buckets=SECONDS, registry=None)
        self.in_flight = Gauge(
            *_IN_FLIGHT, ("protocol",), multiprocess_mode="livesum", registry=None
        )
        self._requests = Histogram(*_REQUESTS, _ROUTE, buckets=SECONDS, registry=None)
        dropped = Counter(*_DROPPED, registry=None)
        dropped.inc(dropped_lines())
        on_drop(dropped.inc)
        self.metrics_of = cache(partial(_InFiles, self))
        for protocol in _PROTOCOLS:
            # Shows a process that has had no call yet to those that sum the metrics of all.
            self.in_flight.labels(protocol)

    def route_of(self, labels: RouteLabels) -> Histogram:
        """Finds the metrics of a route, for a method and a status."""
        return self._requests.labels(*labels)


class _Processes(Collector):
    """The sums of the living processes' `process_*` metrics.

    A process is known by its file of gauges, which is removed when it is dead.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        sums: dict[str, Metric] = {}
        for file in self._folder.glob("gauge_livesum_*.db"):
            pid = file.stem.rpartition("_")[2]
            for metric in ProcessCollector(pid=partial(str, pid), registry=None).collect():
                total = sums.setdefault(metric.name, metric)
                if total is not metric:
                    _add(total, metric)
        yield from sums.values()
        yield _info()


@cache
def _info() -> Metric:
    """What a search of a fleet finds old versions by."""
    return InfoMetricFamily(*_VERSION, value={"version": version()})


def _add(total: Metric, metric: Metric) -> None:
    values = (total.samples[0].value, metric.samples[0].value)
    value = min(values) if total.name == "process_start_time_seconds" else sum(values)
    total.samples[0] = total.samples[0]._replace(value=value)

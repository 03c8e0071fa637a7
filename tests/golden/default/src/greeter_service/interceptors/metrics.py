"""Metrics of the calls in Prometheus format, under the names that gRPC's own middleware uses.

Where `PROMETHEUS_MULTIPROC_DIR` names a folder, every process keeps its numbers in files there,
and any of them tells the sum. prometheus_client looks at the variable when it is first imported,
so it must be set before this module is.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import accumulate
from math import inf
from pathlib import Path
from typing import Protocol

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
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from .rpc import UNKNOWN, Rpc

__all__ = ["CONTENT_TYPE_LATEST", "RpcMetrics", "exposition", "mark_worker_dead", "metrics_of"]

_Labels = tuple[str, str, str, str]

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_RPC = ("grpc_type", "grpc_service", "grpc_method", "protocol")
_CODE = "grpc_code"
_PROTOCOLS = ("grpc", "http")
_OK = grpc.StatusCode.OK
_STARTED = ("grpc_server_started_total", "RPCs that were started.")
_HANDLED = ("grpc_server_handled_total", "RPCs that have ended, by status.")
_HANDLING = ("grpc_server_handling_seconds", "How long RPCs took to handle.")
_IN_FLIGHT = ("grpc_server_in_flight", "RPCs now being handled.")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

# They would double the number of series, and say when counting began, which `process_*` says too.
disable_created_metrics()  # type: ignore[no-untyped-call]  # it has none


class RpcMetrics(Protocol):
    """The metrics of one RPC."""

    def start(self) -> None:
        """Counts a call that begins."""

    def end(self, code: grpc.StatusCode, seconds: float) -> None:
        """Counts a call that ends with `code` after `seconds`."""


def metrics_of(rpc: Rpc) -> RpcMetrics:
    """Finds the metrics of an RPC. All that are unknown share theirs: callers make them up."""
    return _metrics_of(
        (rpc.type, rpc.service, rpc.method, rpc.protocol)
        if rpc.known
        else (UNKNOWN, UNKNOWN, UNKNOWN, rpc.protocol)
    )


class _InMemory:
    """Plain numbers, changed by the event loop's thread alone, which `_Memory` tells to any.

    The classes of prometheus_client take a lock for each of the six that a call changes.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        self.succeeded = 0
        self.failed: dict[grpc.StatusCode, int] = {}
        self.seconds = 0.0
        self.buckets = [0] * (len(_SECONDS) + 1)

    def start(self) -> None:
        self.in_flight += 1

    def end(self, code: grpc.StatusCode, seconds: float) -> None:
        self.in_flight -= 1
        if code is _OK:  # An enumeration's members take longer to look up than all of this.
            self.succeeded += 1
        else:
            self.failed[code] = self.failed.get(code, 0) + 1
        self.seconds += seconds
        self.buckets[bisect_left(_SECONDS, seconds)] += 1


class _Memory(Collector):
    """All numbers of this process, under the names and labels of the metrics."""

    def __init__(self) -> None:
        self._metrics: dict[_Labels, _InMemory] = {}

    def metrics_of(self, labels: _Labels) -> _InMemory:
        return self._metrics.setdefault(labels, _InMemory())

    def collect(self) -> Iterator[Metric]:
        started = CounterMetricFamily(*_STARTED, labels=_RPC)
        handled = CounterMetricFamily(*_HANDLED, labels=(*_RPC, _CODE))
        handling = HistogramMetricFamily(*_HANDLING, labels=_RPC)
        in_flight = dict.fromkeys(_PROTOCOLS, 0)
        for labels, metrics in list(self._metrics.items()):
            ended_by_code = list(metrics.failed.items())
            if metrics.succeeded:
                ended_by_code.append((_OK, metrics.succeeded))
            count = sum(ended for _, ended in ended_by_code)
            started.add_metric(labels, count + metrics.in_flight)
            for code, ended in ended_by_code:
                handled.add_metric((*labels, code.name), ended)
            bounds = map(floatToGoString, (*_SECONDS, inf))
            buckets = list(zip(bounds, accumulate(metrics.buckets), strict=True))
            handling.add_metric(labels, buckets, metrics.seconds)
            in_flight[labels[-1]] += metrics.in_flight
        yield from (started, handled, handling)
        gauge = GaugeMetricFamily(*_IN_FLIGHT, labels=("protocol",))
        for protocol, number in in_flight.items():
            gauge.add_metric((protocol,), number)
        yield gauge


class _InFiles:
    """Numbers in the folder that all processes share."""

    def __init__(self, files: _Files, labels: _Labels) -> None:
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


class _Files:
    """The metrics whose numbers are in files, which any process adds up."""

    def __init__(self) -> None:
        self.started = Counter(*_STARTED, _RPC)
        self.handled = Counter(*_HANDLED, (*_RPC, _CODE))
        self.handling = Histogram(*_HANDLING, _RPC, buckets=_SECONDS)
        self.in_flight = Gauge(*_IN_FLIGHT, ("protocol",), multiprocess_mode="livesum")
        self._metrics: dict[_Labels, _InFiles] = {}
        for protocol in _PROTOCOLS:
            # Shows a process that has had no call yet to those that sum the metrics of all.
            self.in_flight.labels(protocol)

    def metrics_of(self, labels: _Labels) -> _InFiles:
        metrics = self._metrics.get(labels)
        if metrics is None:
            metrics = self._metrics[labels] = _InFiles(self, labels)
        return metrics


def exposition() -> bytes:
    """Writes all metrics of the service as `CONTENT_TYPE_LATEST`, those of its other processes too."""
    folder = os.environ.get(_FOLDER)
    if not folder:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]  # as above
    registry.register(_Processes(Path(folder)))
    return generate_latest(registry)


def mark_worker_dead(pid: int) -> None:
    """Takes the calls that a dead process had in flight out of the sum; its counts stay."""
    if os.environ.get(_FOLDER):
        mark_process_dead(pid)  # type: ignore[no-untyped-call]  # as above


class _Processes(Collector):
    """The sums of the living processes' `process_*` metrics.

    A process is known by its file of gauges, which `mark_worker_dead` removes.
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


def _add(total: Metric, metric: Metric) -> None:
    values = (total.samples[0].value, metric.samples[0].value)
    value = min(values) if total.name == "process_start_time_seconds" else sum(values)
    total.samples[0] = total.samples[0]._replace(value=value)


def _keep() -> Callable[[_Labels], RpcMetrics]:
    if os.environ.get(_FOLDER):
        return _Files().metrics_of
    memory = _Memory()
    REGISTRY.register(memory)
    return memory.metrics_of


_metrics_of = _keep()

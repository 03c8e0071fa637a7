"""Metrics of the calls in Prometheus format, under the names that gRPC's own middleware uses.

Where `PROMETHEUS_MULTIPROC_DIR` names a folder, every process keeps its numbers in files there,
and any of them tells the sum. prometheus_client looks at the variable when it is first imported,
so it must be set before this module is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import partial
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
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from .rpc import UNKNOWN, Rpc

__all__ = ["CONTENT_TYPE_LATEST", "RpcMetrics", "exposition", "mark_worker_dead"]

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_RPC = ("grpc_type", "grpc_service", "grpc_method", "protocol")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

# They would double the number of series, and say when counting began, which `process_*` says too.
disable_created_metrics()  # type: ignore[no-untyped-call]  # it has none

STARTED = Counter("grpc_server_started_total", "RPCs that were started.", _RPC)
HANDLED = Counter(
    "grpc_server_handled_total", "RPCs that have ended, by status.", (*_RPC, "grpc_code")
)
SECONDS = Histogram(
    "grpc_server_handling_seconds", "How long RPCs took to handle.", _RPC, buckets=_SECONDS
)
IN_FLIGHT = Gauge(
    "grpc_server_in_flight", "RPCs now being handled.", ("protocol",), multiprocess_mode="livesum"
)
for _protocol in ("grpc", "http"):
    # Shows a process that has had no call yet, also to those that sum the metrics of all.
    IN_FLIGHT.labels(_protocol)


class RpcMetrics:
    """The metrics of one RPC, with the labels looked up beforehand.

    Args:
        rpc: The RPC. All that are unknown share their labels: callers make those names up.
    """

    def __init__(self, rpc: Rpc) -> None:
        self._labels = (
            (rpc.type, rpc.service, rpc.method, rpc.protocol)
            if rpc.known
            else (UNKNOWN, UNKNOWN, UNKNOWN, rpc.protocol)
        )
        self._started = STARTED.labels(*self._labels)
        self._seconds = SECONDS.labels(*self._labels)
        self._in_flight = IN_FLIGHT.labels(rpc.protocol)
        self._handled: dict[grpc.StatusCode, Counter] = {}

    def start(self) -> None:
        """Counts a call that begins."""
        self._started.inc()
        self._in_flight.inc()

    def end(self, code: grpc.StatusCode, seconds: float) -> None:
        """Counts a call that ends with `code` after `seconds`."""
        self._in_flight.dec()
        self._seconds.observe(seconds)
        handled = self._handled.get(code)
        if handled is None:
            handled = self._handled[code] = HANDLED.labels(*self._labels, code.name)
        handled.inc()


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

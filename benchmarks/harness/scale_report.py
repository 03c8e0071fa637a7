"""The tables of connections, workers and services in a process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .connections import COUNTS, IDLE
from .figures import median
from .results import Results, Rounds
from .tables import table
from .targets import GRPC

_PROTOCOLS = {"http": "HTTP/JSON over HTTP/1.1", "grpc": "gRPC, HTTP listener"}


def connections(results: Results) -> Iterator[str]:
    """Memory of idle connections, and calls of many."""
    if why := results.missing.get("connections"):
        yield f"Not measured: {why}."
    if not results.connections:
        return
    titles = {target.server: target.title for target in GRPC}
    rows = [
        [
            titles[name],
            f"{median(figures['idle_kib']):.1f}",
            *(_calls(figures, count) for count in sorted(COUNTS)),
        ]
        for name, figures in results.connections.items()
    ]
    head = [
        "gRPC over HTTP/2, small message",
        f"KiB for each of {IDLE:,} idle ones",
        *(f"calls/s of {count:,}, processor time" for count in sorted(COUNTS)),
    ]
    yield from table(head, rows)
    yield ""
    yield "One call at a time on each connection. The client is a program in Python that takes"
    yield "about 20 µs for a call: with a server that is faster than that, calls/s are its own."


def _calls(figures: Mapping[str, Rounds], count: int) -> str:
    calls = figures.get(f"calls_{count}")
    if calls is None:
        return "connections closed by the server"
    return f"{median(calls):,.0f}, {median(figures[f'us_{count}']):,.0f} µs"


def workers(results: Results) -> Iterator[str]:
    """One worker and two on the same cores as the load generator."""
    if not results.workers:
        return
    rows = []
    for protocol, by_count in results.workers.items():
        for count, figures in by_count.items():
            cpu, load = median(figures["cpu_us"]), median(figures["load_us"])
            row = [f"{_PROTOCOLS[protocol]}, `WORKERS={count}`"]
            row.append(f"{median(figures['requests_per_second']):,.0f}")
            row += [f"{cpu:.0f}", f"{load:.0f}", f"{load / (cpu + load):.0%}"]
            # What the workers would do with as many cores for themselves alone.
            row.append(f"{int(count) * 1e6 / cpu:,.0f}")
            rows.append(row)
    head = ["small message, both cores for all", "calls/s", "µs a call, service"]
    head += ["µs a call, load", "load's share", "calls/s that so many cores allow"]
    yield from table(head, rows)


def services(results: Results) -> Iterator[str]:
    """More and more services in a process."""
    if not results.services:
        return
    rows = [
        [
            count,
            f"{median(figures['seconds']):.2f}",
            f"{median(figures['memory_mib']):.0f}",
            f"{median(figures['http_us']):.0f}",
            f"{median(figures['grpc_us']):.0f}",
        ]
        for count, figures in results.services.items()
    ]
    head = ["services, of three RPCs each", "seconds to the first answer", "resident memory, MiB"]
    head += ["µs of a small call, HTTP/JSON", "µs of a small call, gRPC, HTTP listener"]
    yield from table(head, rows)

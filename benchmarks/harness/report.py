"""Writes the results as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from . import scale_report
from .figures import FEWEST_ROUNDS, MAX_SPREAD, median, ratio, spread
from .goals import unsteady, verdicts
from .messages import SIZES, STREAM, STREAM_LENGTH
from .results import Results
from .tables import or_na, table
from .targets import FEATURES, GRPC, HTTP, LATENCIES, STREAMS, WIRES, Target

_MARKS = {True: "yes", False: "**no**", None: "not judged"}


def full_report(results: Results) -> str:
    """Everything that was measured."""
    return "\n".join(_sections(results))


def summary(results: Results) -> str:
    """The tables of the README: requests per second by peer and size."""
    lines: list[str] = []
    for title, targets in (("gRPC over HTTP/2, calls/s", GRPC), ("HTTP/JSON, requests/s", HTTP)):
        if _measured(results, targets):
            lines += [*_peaks(results, title, targets), ""]
    return "\n".join(lines)


def _sections(results: Results) -> Iterator[str]:
    about = results.about
    yield "# Results"
    yield ""
    yield f"{about['date']}, {about['machine']}, {about['kernel']}."
    yield f"CPython {about['python']}, {about['load']}."
    yield "Servers on one core, the load generator on another."
    yield f"Medians of {about['rounds']} interleaved rounds of {about['peak_seconds']} s,"
    yield "each with servers of its own;"
    yield "in brackets the ratio to the first row, then processor time per request."
    yield ""
    yield ", ".join(f"{name} {version}" for name, version in about["versions"].items()) + "."
    yield ""
    yield from _steadiness(results)
    for heading, lines in (
        ("Peak throughput, gRPC", _peaks(results, "gRPC over HTTP/2", GRPC, cpu=True)),
        ("Peak throughput, HTTP/JSON", _peaks(results, "HTTP/JSON", HTTP, cpu=True)),
        (
            "The HTTP listener with `HTTP2=true`, by protocol",
            _peaks(results, "JSON to the generated service", WIRES, cpu=True),
        ),
        ("Latency at half of each one's own peak, p50 / p99 in ms", _latencies(results)),
        ("Streams", _streams(results)),
        ("Start, memory, generation", _starts(results)),
        ("Connections", scale_report.connections(results)),
        ("Workers", scale_report.workers(results)),
        ("Services in a process", scale_report.services(results)),
        ("Features, small message", _features(results)),
        ("Goals", _goals(results)),
    ):
        if section := list(lines):
            yield f"## {heading}"
            yield ""
            yield from section
            yield ""


def _measured(results: Results, targets: Sequence[Target]) -> bool:
    return any(target.name in results.peaks for target in targets)


def _not_measured(results: Results, target: Target, columns: int) -> list[str]:
    """The row of a target that could not be had."""
    reason = results.missing.get(target.server, "not in this run")
    return [target.title, f"not measured: {reason}", *[""] * (columns - 1)]


def _goals(results: Results) -> Iterator[str]:
    rows = [
        [
            verdict.goal,
            verdict.wanted,
            or_na(verdict.measured),
            _MARKS[verdict.met],
            "" if verdict.by_cpu is None else f"{verdict.by_cpu:.2f}",
        ]
        for verdict in verdicts(results)
    ]
    if rows:
        yield from table(["", "wanted", "measured", "met", "by processor time"], rows)


def _steadiness(results: Results) -> Iterator[str]:
    found = unsteady(results)
    if found:
        yield f"**Not compared**, because there are fewer than {FEWEST_ROUNDS} rounds"
        yield f"or the middle half of them is more than {MAX_SPREAD:.0%} apart:"
        yield f"{'; '.join(found)}."
    else:
        yield f"The middle half of the rounds of every figure is at most {MAX_SPREAD:.0%} apart."
    yield ""


def _peaks(
    results: Results, title: str, targets: Sequence[Target], *, cpu: bool = False
) -> Iterator[str]:
    """Peaks by size, and their ratios to the first target's."""
    if not _measured(results, targets):
        return
    rows = []
    base = results.peaks.get(targets[0].name, {})
    for target in targets:
        if target.name not in results.peaks:
            rows.append(_not_measured(results, target, len(SIZES)))
            continue
        row = [target.title]
        for size in SIZES:
            figures = results.peaks[target.name][size.name]
            rounds = figures["requests_per_second"]
            cell = f"{median(rounds):,.0f}"
            if target is not targets[0] and base:
                cell += f" ({or_na(ratio(rounds, base[size.name]['requests_per_second']))})"
            if cpu:
                cell += f", {median(figures['cpu_us']):,.0f} µs"
            row.append(cell)
        rows.append(row)
    yield from table([title, *(size.title for size in SIZES)], rows)


def _latencies(results: Results) -> Iterator[str]:
    rows = []
    for target in LATENCIES:
        if target.name not in results.latencies:
            continue
        protocol = "gRPC" if target.protocol == "grpc" else "HTTP"
        row = [f"{target.title}, {protocol}"]
        for size in SIZES:
            figures = results.latencies[target.name][size.name]
            p50, p99 = (median(figures[name]) / 1e3 for name in ("p50_us", "p99_us"))
            row.append(f"{p50:.2f} / {p99:.2f} at {median(figures['rate']):,.0f}/s")
        rows.append(row)
    if rows:
        yield from table(["", *(size.title for size in SIZES)], rows)


def _streams(results: Results) -> Iterator[str]:
    if not _measured(results, STREAMS):
        return
    head = ["", "messages/s", "µs a message", "first message after ms"]
    head.append("second, sent 20 ms later, after ms")
    rows = []
    for target in STREAMS:
        if target.name not in results.peaks:
            rows.append(_not_measured(results, target, len(head) - 1))
            continue
        figures = results.peaks[target.name][STREAM.name]
        rounds = figures["requests_per_second"]
        base = results.peaks[STREAMS[0].name][STREAM.name]["requests_per_second"]
        first = results.first_messages[target.name]
        rows.append(
            [
                target.title,
                f"{median(rounds) * STREAM_LENGTH:,.0f} ({or_na(ratio(rounds, base))})",
                f"{median(figures['cpu_us']) / STREAM_LENGTH:.1f}",
                f"{median(first['first_us']) / 1e3:.2f}",
                f"{median(first['second_us']) / 1e3:.2f}",
            ]
        )
    yield from table(head, rows)


def _starts(results: Results) -> Iterator[str]:
    titles = {
        "imports": "importing `grpc`, `uvicorn`, `Esmerald`, and listening",
        "service": "the service, until its first answer",
    }
    if results.starts:
        rows = [
            [titles[name], f"{median(found['seconds']):.2f}", f"{median(found['memory_mib']):.0f}"]
            for name, found in results.starts.items()
        ]
        yield from table(["", "seconds", "resident memory, MiB"], rows)
    if results.generations:
        uv, pip = (median(results.generations[name]) for name in ("uv", "pip"))
        yield ""
        yield f"Generation until the stubs are compiled: {uv:.1f} s with uv and a warm cache,"
        yield f"{pip:.1f} s without uv."


def _features(results: Results) -> Iterator[str]:
    if not _measured(results, FEATURES):
        return
    size = SIZES[0].name
    rows = []
    for target in FEATURES:
        base = "usual-grpc" if target.protocol == "grpc" else "usual"
        rounds = results.peaks[target.name][size]["requests_per_second"]
        usual = results.peaks[base][size]["requests_per_second"]
        apart = max(spread(rounds), spread(usual))
        rows.append([target.title, or_na(ratio(rounds, usual)), f"{apart:.0%}"])
    yield from table(["requests/s, by those of the service as it comes", "ratio", "spread"], rows)

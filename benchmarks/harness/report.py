"""Writes the results as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .figures import FEWEST_ROUNDS, MAX_SPREAD, median, ratio, spread
from .goals import unsteady, verdicts
from .messages import SIZES, STREAM, STREAM_LENGTH
from .peers import FEATURES, GRPC, HTTP, STREAMS, Target
from .results import Results

_MARKS = {True: "yes", False: "**no**", None: "not judged"}


def full_report(results: Results) -> str:
    """Everything that was measured."""
    return "\n".join(_sections(results))


def summary(results: Results) -> str:
    """The two tables of the README: requests per second by peer and size."""
    return "\n".join(
        [
            *_peaks(results, "HTTP/JSON, requests/s", HTTP, "limit"),
            "",
            *_peaks(results, "gRPC, requests/s", GRPC, "grpc-aio"),
            "",
        ]
    )


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
    yield "## Peak throughput"
    yield ""
    yield from _peaks(results, "HTTP/JSON", HTTP, "limit", cpu=True)
    yield ""
    yield from _peaks(results, "gRPC", GRPC, "grpc-aio", cpu=True)
    yield ""
    if results.latencies:
        yield "## Latency at half of each one's own peak, p50 / p99 in ms"
        yield ""
        yield from _latencies(results, HTTP + GRPC)
        yield ""
    yield "## Streams"
    yield ""
    yield from _streams(results)
    yield ""
    yield "## Start, memory, generation"
    yield ""
    yield from _starts(results)
    yield ""
    yield "## Features, small message"
    yield ""
    yield from _features(results)
    yield ""
    yield "## Goals"
    yield ""
    yield from _table(
        ["", "wanted", "measured", "met", "by processor time"],
        [
            [
                verdict.goal,
                verdict.wanted,
                _or_na(verdict.measured),
                _MARKS[verdict.met],
                "" if verdict.by_cpu is None else f"{verdict.by_cpu:.2f}",
            ]
            for verdict in verdicts(results)
        ],
    )
    yield ""


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
    results: Results, title: str, targets: Sequence[Target], base: str, *, cpu: bool = False
) -> Iterator[str]:
    rows = []
    for target in targets:
        row = [target.title]
        for size in SIZES:
            figures = results.peaks[target.name][size.name]
            rounds = figures["requests_per_second"]
            cell = f"{median(rounds):,.0f}"
            if target.name != base:
                compared = ratio(rounds, results.peaks[base][size.name]["requests_per_second"])
                cell += f" ({_or_na(compared)})"
            if cpu:
                cell += f", {median(figures['cpu_us']):,.0f} µs"
            row.append(cell)
        rows.append(row)
    yield from _table([title, *(size.title for size in SIZES)], rows)


def _latencies(results: Results, targets: Sequence[Target]) -> Iterator[str]:
    rows = []
    for target in targets:
        protocol = "gRPC" if target.protocol == "grpc" else "HTTP"
        row = [f"{target.title}, {protocol}"]
        for size in SIZES:
            figures = results.latencies[target.name][size.name]
            p50, p99 = (median(figures[name]) / 1e3 for name in ("p50_us", "p99_us"))
            row.append(f"{p50:.2f} / {p99:.2f} at {median(figures['rate']):,.0f}/s")
        rows.append(row)
    yield from _table(["", *(size.title for size in SIZES)], rows)


def _streams(results: Results) -> Iterator[str]:
    base = results.peaks[STREAMS[0].name][STREAM.name]["requests_per_second"]
    rows = []
    for target in STREAMS:
        rounds = results.peaks[target.name][STREAM.name]["requests_per_second"]
        compared = ratio(rounds, base)
        first = results.first_messages[target.name]
        rows.append(
            [
                target.title,
                f"{median(rounds) * STREAM_LENGTH:,.0f} ({_or_na(compared)})",
                f"{median(first['first_us']) / 1e3:.2f}",
                f"{median(first['second_us']) / 1e3:.2f}",
            ]
        )
    yield from _table(
        ["", "messages/s", "first message after ms", "second, sent 20 ms later, after ms"], rows
    )


def _starts(results: Results) -> Iterator[str]:
    titles = {
        "imports": "importing `grpc`, `uvicorn`, `Esmerald`, and listening",
        "service": "the service, until its first answer",
    }
    yield from _table(
        ["", "seconds", "resident memory, MiB"],
        [
            [titles[name], f"{median(found['seconds']):.2f}", f"{median(found['memory_mib']):.0f}"]
            for name, found in results.starts.items()
        ],
    )
    if results.generations:
        uv, pip = (median(results.generations[name]) for name in ("uv", "pip"))
        yield ""
        yield f"Generation until the stubs are compiled: {uv:.1f} s with uv and a warm cache,"
        yield f"{pip:.1f} s without uv."


def _features(results: Results) -> Iterator[str]:
    size = SIZES[0].name
    rows = []
    for target in FEATURES:
        base = "usual-grpc" if target.protocol == "grpc" else "usual"
        rounds = results.peaks[target.name][size]["requests_per_second"]
        usual = results.peaks[base][size]["requests_per_second"]
        apart = max(spread(rounds), spread(usual))
        rows.append([target.title, _or_na(ratio(rounds, usual)), f"{apart:.0%}"])
    yield from _table(["requests/s, by those of the service as it comes", "ratio", "spread"], rows)


def _or_na(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.2f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"| --- {'| ---: ' * (len(head) - 1)}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"

"""Measures the template's service against its peers and writes tables and a plot.

`python benchmarks/run.py` takes about twenty minutes on two cores, `--quick` six; `--only grpc`
measures a part, and `--report` writes the tables and the plot again from the last run. It needs
Linux and h2load (nghttp2-client), and Go for some of the peers.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.connections import measure_connections
from harness.environments import BENCHMARKS, Environments, prepare
from harness.goals import unsteady
from harness.load import LoadError, check_tool
from harness.messages import write_requests
from harness.parts import PARTS, jobs_of, unavailable_servers
from harness.peers import SERVERS
from harness.plot import svg
from harness.report import full_report, summary
from harness.results import Results
from harness.rounds import (
    FULL,
    QUICK,
    Plan,
    Run,
    bench,
    measure_first_messages,
    measure_latencies,
    measure_peaks,
)
from harness.scale import measure_services, measure_workers
from harness.servers import cores
from harness.startup import measure_generation, measure_starts

README = BENCHMARKS.parent / "README.md"
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->"
UNSTEADY = 3
"""The exit status of a run whose rounds differ too much to be compared."""


def main() -> int:
    """Runs what the command line asks for.

    Returns:
        The exit status: 1, something is missing or has failed; 3, the rounds differ too much.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="short rounds, for a first look")
    parser.add_argument("--report", action="store_true", help="only write the report again")
    parser.add_argument("--only", action="append", choices=PARTS, help="a part; may be repeated")
    parser.add_argument("--output", type=Path, help="the folder for the results")
    arguments = parser.parse_args()
    partly = arguments.quick or arguments.only
    default = BENCHMARKS / (".cache/quick" if partly else "results")
    output: Path = arguments.output or default
    output.mkdir(parents=True, exist_ok=True)
    file = output / "results.json"
    try:
        if not arguments.report:
            plan = QUICK if arguments.quick else FULL
            measure(plan, arguments.only or PARTS).write(file)
    except (LoadError, RuntimeError, subprocess.SubprocessError) as error:
        print(error, file=sys.stderr)
        return 1
    return write_report(Results.read(file), output)


def measure(plan: Plan, parts: Collection[str]) -> Results:
    """Prepares everything and measures it.

    Args:
        plan: How much.
        parts: Of `PARTS`.

    Raises:
        LoadError: h2load is missing, or an answer is wrong.
        RuntimeError: There is one core only, or a server does not start.
        subprocess.SubprocessError: A tool failed; it has said why.
    """
    begin = time.monotonic()

    def report(what: str) -> None:
        print(f"{time.monotonic() - begin:6.0f} s  {what}", file=sys.stderr, flush=True)

    tool, pair = check_tool(), cores()
    report("preparing the peers")
    environments = prepare(BENCHMARKS / ".cache")
    requests = write_requests(environments.cache / "requests", environments)
    missing = unavailable_servers(environments.missing)
    for name, reason in missing.items():
        report(f"not measured: {name}: {reason}")
    results = Results(about(plan, environments, tool), missing)
    run = Run(environments, requests, pair, plan, results, report)
    if "starts" in parts:
        measure_starts(run)
    if jobs := jobs_of(parts, missing):
        measure_peaks(run, jobs)
        if plan.latency_rounds or "streams" in parts:
            with bench(run, jobs) as everything:
                measure_latencies(run, everything, jobs)
                measure_first_messages(run, everything)
    if "scale" in parts:
        spec = next(spec for spec in SERVERS if spec.name == "service-http2")
        measure_services(run, spec)
        measure_workers(run, spec)
        measure_connections(run)
    if "generation" in parts:
        measure_generation(run)
    report("done")
    return results


def about(plan: Plan, environments: Environments, tool: str) -> dict[str, Any]:
    """What has to be known about a run to judge its figures."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores of {model}",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": tool,
        "rounds": plan.rounds,
        "peak_seconds": plan.peak_seconds,
        "versions": dict(environments.versions),
    }


def write_report(results: Results, output: Path) -> int:
    """Writes the tables, in the README too, and the plot; says what may not be compared."""
    (output / "results.md").write_text(full_report(results), encoding="utf-8")
    (output / "summary.md").write_text(summary(results), encoding="utf-8")
    (output / "results.svg").write_text(svg(results), encoding="utf-8")
    if output == BENCHMARKS / "results":
        before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        shown = f"{before}{BEGIN}\n{summary(results)}\n{END}{after}"
        README.write_text(shown, encoding="utf-8")
    print(full_report(results))
    found = unsteady(results)
    if found:
        print(f"not compared, the rounds differ too much: {'; '.join(found)}", file=sys.stderr)
        return UNSTEADY
    return 0


if __name__ == "__main__":
    sys.exit(main())

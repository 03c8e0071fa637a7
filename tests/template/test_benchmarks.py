"""The benchmarks: what is not there is named, and what was not measured is not judged."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from baking import ROOT

BENCHMARKS = ROOT / "benchmarks"
BURN = "while True: pass"
WITH_A_CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURN!r}])"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="they read /proc")


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Imports modules of the program as it does."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def results_of(**peaks: float) -> Any:
    """A run in which these targets answered so many small calls a second, and nothing else."""
    from harness.messages import SIZES
    from harness.results import Results

    about = {"date": "", "machine": "", "kernel": "", "python": "", "load": "", "rounds": 5}
    return Results(
        {**about, "peak_seconds": 1, "versions": {}},
        peaks={
            name.replace("_", "-"): {
                size.name: {"requests_per_second": [rate] * 5, "cpu_us": [1e6 / rate] * 5}
                for size in SIZES
            }
            for name, rate in peaks.items()
        },
    )


def test_a_peer_that_cannot_be_had_is_named_with_the_reason() -> None:
    from harness.report import full_report, summary

    results = results_of(grpc_aio=5000.0)
    results.missing["grpc-go"] = "Go is not installed"
    row = "| grpc-go | not measured: Go is not installed |  |  |"
    assert row in full_report(results)
    assert row in summary(results)


def test_a_part_has_its_own_tables_and_goals_alone() -> None:
    from harness.goals import verdicts
    from harness.report import full_report

    results = results_of(grpc_aio=5000.0, service_http2=30000.0)
    report = full_report(results)
    assert "## Peak throughput, gRPC" in report
    assert "HTTP/JSON" not in report
    judged = {verdict.goal: (verdict.measured, verdict.met) for verdict in verdicts(results)}
    assert judged['gRPC on the HTTP listener / bare `grpc.aio`, small `{"name"}`'] == (6.0, True)
    assert len(judged) == 3


def test_every_goal_and_every_target_is_of_something_that_is_measured() -> None:
    from harness.goals import TARGETS_OF_GOALS
    from harness.parts import PARTS, jobs_of
    from harness.peers import SERVERS

    servers = [spec.name for spec in SERVERS]
    measured = {target.name: target for target, _ in jobs_of(PARTS, ())}
    assert len(servers) == len(set(servers))
    assert {target.server for target in measured.values()} == set(servers)
    assert set(measured) >= TARGETS_OF_GOALS


def test_what_needs_an_environment_that_is_missing_is_left_out() -> None:
    from harness.parts import PARTS, jobs_of, unavailable_servers

    missing = unavailable_servers({"go": "Go is not installed"})
    assert set(missing) == {"grpc-go", "gateway-to-go", "gateway-to-aio", "vanguard"}
    assert not {target.server for target, _ in jobs_of(PARTS, missing)} & set(missing)


def test_the_peers_in_go_are_not_built_without_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness import go

    monkeypatch.setenv("PATH", str(tmp_path))
    built = go.build(tmp_path, BENCHMARKS / "peers" / "go", BENCHMARKS / "protos", ["protoc"])
    assert built == "Go is not installed"


def test_processor_time_is_that_of_a_process_and_those_that_it_has_started() -> None:
    from harness.servers import Server

    with subprocess.Popen([sys.executable, "-c", WITH_A_CHILD], start_new_session=True) as process:
        try:
            server = Server(process.pid, {}, Path())
            give_up_at = time.monotonic() + 30
            # The process itself sleeps as soon as its child runs.
            while server.cpu_seconds() < 0.5 and time.monotonic() < give_up_at:
                time.sleep(0.01)  # between two looks
            own = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
            assert server.cpu_seconds() >= 0.5 > sum(map(int, own)) / 100
        finally:
            subprocess.run(["kill", "--", f"-{process.pid}"], check=True)

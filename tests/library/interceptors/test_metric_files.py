"""The folder of metrics that processes share: its space, and what becomes of the dead ones'."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from polyrpc import metric_files

COUNT = """
import os, sys
from polyrpc import metric_files
metric_files.prepare()
from prometheus_client import Counter, Gauge, Histogram
Counter("calls", "Calls.", ["kind"]).labels("a").inc(2)
Histogram("seconds", "Seconds.").observe(0.3)
Gauge("living", "Living.", multiprocess_mode="livesum").set(1)
Gauge("each", "Each.").set(1)
Gauge("most", "Most.", multiprocess_mode="max").set(int(sys.argv[1]))
Gauge("sum", "Sum.", multiprocess_mode="sum").set(1)
print(os.getpid())
"""
TELL = """
import sys
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
registry = CollectorRegistry()
MultiProcessCollector(registry, sys.argv[1])
print(generate_latest(registry).decode())
"""


def run(program: str, *arguments: str, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    ).stdout


def counted(folder: Path, number: int) -> int:
    """A process that has counted something, and ended."""
    environment = {metric_files.FOLDER: str(folder)}
    return int(run(COUNT, str(number), **environment))


def told(folder: Path) -> dict[str, str]:
    lines = run(TELL, str(folder)).splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))


def test_what_dead_processes_have_counted_stays_in_one_file_a_kind(tmp_path: Path) -> None:
    names = []
    for number in range(1, 5):
        metric_files.forget(tmp_path, counted(tmp_path, number))
        names.append(sorted(path.name for path in tmp_path.iterdir()))
    kinds = ["counter", "gauge_max", "gauge_sum", "histogram"]
    assert names == [[f"{kind}_0.db" for kind in kinds]] * 4
    metrics = told(tmp_path)
    assert metrics['calls_total{kind="a"}'] == "8.0"
    assert metrics["seconds_count"] == "4.0"
    assert metrics['seconds_bucket{le="+Inf"}'] == "4.0"
    assert metrics["most"] == "4.0"
    assert metrics["sum"] == "4.0"
    assert "living" not in metrics
    assert "each" not in str(metrics)


def test_the_space_of_files_is_allocated(tmp_path: Path) -> None:
    counted(tmp_path, 1)
    for file in tmp_path.glob("*.db"):
        assert file.stat().st_blocks * 512 >= file.stat().st_size


def test_numbers_whose_files_get_no_space_are_kept_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = metric_files._allocated_dict()(str(tmp_path / "counter_1.db"))
    numbers.write_value("before", 1.0, 0.0)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(metric_files, "_allocate", full)
    keys = [f"{number}{'x' * 1000}" for number in range(200)]
    for key in keys:
        numbers.write_value(key, 2.0, 0.0)
    other = metric_files._allocated_dict()(str(tmp_path / "counter_2.db"))
    other.write_value("new", 3.0, 0.0)
    assert numbers.read_value("before") == (1.0, 0.0)
    assert {numbers.read_value(key) for key in keys} == {(2.0, 0.0)}
    assert other.read_value("new") == (3.0, 0.0)
    assert not (tmp_path / "counter_2.db").exists()
    assert len(caplog.messages) == 2
    for one in (numbers, other):
        one.close()


def test_a_folder_without_space_is_not_used_and_that_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv(metric_files.FOLDER, str(tmp_path))
    monkeypatch.delitem(sys.modules, "prometheus_client", raising=False)
    monkeypatch.setattr(metric_files, "_allocate", full)
    metric_files.prepare()
    metric_files.prepare()
    assert metric_files.FOLDER not in os.environ
    (message,) = caplog.messages
    assert message.endswith("No space left on device")
    assert caplog.records[0].levelno == logging.WARNING


def test_who_reads_while_numbers_move_reads_again(tmp_path: Path) -> None:
    reads: list[bool] = []

    def read() -> int:
        (tmp_path / f"counter_{len(reads)}.db").touch()
        reads.append(True)
        if len(reads) == 1:
            raise FileNotFoundError
        if len(reads) > 3:
            (tmp_path / f"counter_{len(reads) - 1}.db").unlink()
        return len(reads)

    assert metric_files.read_undisturbed(tmp_path, read) == 4


def test_what_a_process_left_half_written_takes_nothing_with_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pid = counted(tmp_path, 1)
    broken = tmp_path / f"counter_{pid}.db"
    broken.write_bytes(b"\x01")
    metric_files.forget(tmp_path, pid)
    assert broken.name in caplog.text
    assert told(tmp_path)["seconds_count"] == "1.0"

"""`polyrpc_info`: a fleet is asked by it which version of the library each service has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from polyrpc.interceptors.metrics import Metrics
from polyrpc.metric_files import FOLDER
from polyrpc.version import version

LINE = f'polyrpc_info{{version="{version()}"}} 1.0'


def lines(metrics: Metrics) -> list[str]:
    exposition, _ = metrics.exposition()
    return exposition.decode().splitlines()


def test_a_process_tells_its_version_once() -> None:
    told = lines(Metrics())
    assert told.count(LINE) == 1
    assert "# TYPE polyrpc_info gauge" in told


SHARED = """
import os
from polyrpc.interceptors.metrics import Metrics
metrics = Metrics()
if os.fork():
    os.wait()
    print(metrics.exposition()[0].decode())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no workers on this platform")
def test_processes_tell_it_once_together(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", SHARED],
        env={**os.environ, FOLDER: str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.splitlines().count(LINE) == 1

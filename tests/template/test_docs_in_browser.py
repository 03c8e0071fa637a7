"""The documentation page of a generated service, in a real browser."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from baking import ROOT

SCRIPT = ROOT / "scripts" / "screenshot_docs.py"


@pytest.mark.full
@pytest.mark.xdist_group("tested")
def test_try_it_out_answers_without_another_host(http_port: int, tmp_path: Path) -> None:
    """The script fails on a wrong answer, a console error, or a request to any other host."""
    picture = tmp_path / "swagger.png"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), f"http://localhost:{http_port}", str(picture)],
        capture_output=True,
        encoding="utf-8",
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")

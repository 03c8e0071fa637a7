"""The oldest versions that a generated project says it works with, it works with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from baking import bake, environment


@pytest.mark.full
def test_the_default_project_passes_its_tests_with_the_oldest_versions_that_it_allows(
    template: Path, tmp_path: Path
) -> None:
    project = bake(template, tmp_path)
    python = str(project / ".venv" / "bin" / "python")
    install = ["uv", "pip", "install", "--quiet", "--resolution=lowest-direct", "--python", python]
    for command in (
        ["uv", "venv", "--quiet", "--python", sys.executable, ".venv"],
        [*install, "--group=test", "--editable=.[http2,otel,validate]"],
        [python, "-m", "pytest", "-q"],
    ):
        done = subprocess.run(
            command,
            cwd=project,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=900,
        )
        assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout

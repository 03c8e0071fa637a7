"""Clients that others wrote, in JavaScript: their packages come from npm, once a session."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "javascript"


@pytest.fixture(scope="session")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the JavaScript clients, with what they import."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("NOT JUDGED: without Node.js and npm, no client of others calls the service")
    if (HERE / "node_modules").exists():
        return HERE
    folder = tmp_path_factory.mktemp("clients") / "javascript"
    shutil.copytree(HERE, folder)
    subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, check=True
    )
    return folder

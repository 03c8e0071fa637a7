"""Extras of the service in the sessions of nox, which have environments of their own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from baking import SCRIPTS, bake, environment, nox


@pytest.mark.full
def test_sessions_install_the_extras_that_the_environment_names(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = bake(template, tmp_path)
    python = project / ".nox" / "serve" / SCRIPTS / "python"
    without = nox(project, "serve", "--install-only")
    assert without.returncode == 0, without.stdout
    refused = subprocess.run(
        [python, "-m", "greeter_service"],
        env={**environment(), "GREETER_SERVICE_HTTP2": "true"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert "EXTRAS=http2 for nox" in line
    monkeypatch.setenv("EXTRAS", "http2 validate")
    done = nox(project, "serve", "--install-only")
    assert done.returncode == 0, done.stdout
    subprocess.run([python, "-c", "import protovalidate, zttp"], check=True)

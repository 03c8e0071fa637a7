"""Runs commands of the library in a project, as its sessions do, with the tests' own tools."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from baking import with_the_library

SCRIPTS = str(Path(sys.executable).parent)
NO_VARIABLES: Mapping[str, str] = {}
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Somebody"), ("EMAIL", "somebody@example.com"))
}


def run(
    folder: Path,
    *command: str | Path,
    status: int = 0,
    variables: Mapping[str, str] = NO_VARIABLES,
) -> subprocess.CompletedProcess[str]:
    """Run a program there; it ends with `status`, or the test fails with what it said."""
    done = subprocess.run(
        [*map(str, command)],
        cwd=folder,
        env={
            **with_the_library(folder),
            **IDENTITY,
            # What is beside this interpreter is what a session would have installed.
            "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",
            **variables,
        },
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done


def polyrpc(project: Path, module: str, *arguments: str | Path) -> str:
    """Run a command of the library that succeeds, and return what it says."""
    return run(project, sys.executable, "-m", f"polyrpc.{module}", *arguments).stdout


def refused(project: Path, module: str, *arguments: str | Path, **variables: str) -> str:
    """Run one that refuses, and return the one line that says why."""
    command = (sys.executable, "-m", f"polyrpc.{module}", *arguments)
    (line,) = run(project, *command, status=1, variables=variables).stderr.splitlines()
    return line


def as_installed(project: Path) -> Path:
    """Give the sources of a project the name and version that an installation would."""
    about = project / "src" / "greeter_service-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: greeter-service\nVersion: 0.1.0\nSummary: Test.\n"
    )
    return project


def commit(project: Path, message: str) -> None:
    """Commit all that there is, in a repository that is made for it if there is none."""
    if not (project / ".git").is_dir():
        run(project, "git", "init", "--quiet", "--initial-branch=main")
    run(project, "git", "add", "--all")
    run(project, "git", "commit", "--quiet", "--message", message)

"""Templates under git, and cruft as a team runs it: every command is printed for the transcript."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from baking import ROOT, environment

IDENTITY = {
    **{f"GIT_{role}_NAME": "Ada Lovelace" for role in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{role}_EMAIL": "ada@example.com" for role in ("AUTHOR", "COMMITTER")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}
# Stubs come with the project's own tests; the hook need not compile any.
WITHOUT_STUBS = {"UV_OFFLINE": "1", "UV_NO_CACHE": "1", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}


def run(
    folder: Path, *command: str, status: int | None = 0, env: dict[str, str] | None = None
) -> str:
    """Run a command, print it with what it says, and fail unless it ends with `status`."""
    shown = shlex.join(command).replace(f"{sys.executable} -m ", "")
    print(f"\n{folder.name}$ {shown}")
    done = subprocess.run(
        command,
        cwd=folder,
        env={**environment(), "PWD": str(folder), **IDENTITY, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=900,
    )
    print(done.stdout, end="")
    assert status is None or done.returncode == status, f"{shown}: {done.returncode}\n{done.stdout}"
    return done.stdout


def git(folder: Path, *arguments: str) -> str:
    """Run git."""
    return run(folder, "git", *arguments)


def cruft(folder: Path, *arguments: str, status: int = 0, stubs: bool = False) -> str:
    """Run cruft; unless asked to, the hook compiles nothing."""
    env = {} if stubs else WITHOUT_STUBS
    return run(folder, sys.executable, "-m", "cruft", *arguments, status=status, env=env)


def cookiecutter(folder: Path, *arguments: str) -> str:
    """Run plain cookiecutter with all defaults; its hook compiles nothing."""
    command = (sys.executable, "-m", "cookiecutter", "--no-input", "--default-config")
    return run(folder, *command, *arguments, env=WITHOUT_STUBS)


def fresh(template: Path, output: Path) -> Path:
    """A default project of the template, to take files from."""
    output.mkdir()
    cookiecutter(output, str(template))
    return output / "greeter-service"


def commit(folder: Path, message: str) -> None:
    """Commit all that there is."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def repository(folder: Path, message: str) -> Path:
    """Make `folder` a git repository with one commit."""
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, message)
    return folder


def clone_with_work_tree(folder: Path) -> Path:
    """Clone this repository, with what is not committed yet as a commit on top."""
    git(folder.parent, "clone", "--quiet", str(ROOT), folder.name)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    git(folder, "rm", "--quiet", "-r", ".")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "The work tree")
    return folder

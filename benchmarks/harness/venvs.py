"""Virtual environments: made with uv, which the folder `tools` of the cache holds."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path


def make_tools(folder: Path) -> None:
    """Makes the environment of uv and cookiecutter, where there is none."""
    if not (folder / "bin" / "uv").exists():
        venv.create(folder, with_pip=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--disable-pip-version-check", "cookiecutter", "uv"], check=True)


def make_venv(cache: Path, name: str) -> None:
    """Makes an environment, where there is none."""
    if not (cache / name / "bin" / "python").exists():
        _uv(cache, "venv", "--quiet", "--python", sys.executable, str(cache / name))


def install(cache: Path, name: str, *arguments: str) -> None:
    """Installs what `uv pip install` is told.

    Raises:
        subprocess.CalledProcessError: It cannot be installed; `stderr` says why.
    """
    python = str(cache / name / "bin" / "python")
    _uv(cache, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *arguments)


def versions(cache: Path, name: str) -> dict[str, str]:
    """The versions of what an environment holds."""
    python = str(cache / name / "bin" / "python")
    lines = _uv(cache, "pip", "freeze", "--quiet", "--python", python).splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def reason(error: subprocess.CalledProcessError) -> str:
    """What a tool said when it failed, in one line that fits into a table."""
    said = " ".join((error.stderr or "").split()).replace("|", "/")
    return said[:200] or f"exit status {error.returncode}"


def _uv(cache: Path, *arguments: str) -> str:
    uv = str(cache / "tools" / "bin" / "uv")
    done = subprocess.run([uv, *arguments], check=False, capture_output=True, encoding="utf-8")
    sys.stderr.write(done.stderr)
    done.check_returncode()
    return done.stdout

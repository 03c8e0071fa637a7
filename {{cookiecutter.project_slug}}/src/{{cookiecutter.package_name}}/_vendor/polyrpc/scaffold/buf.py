"""buf, which lints protos and compares them, and what `buf.yaml` has it look away from."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from ..build.hatch import run
from .sources import RefusedError

OBJECTS = 100  # its exit status


def installed() -> str | None:
    """Return the program that is in the environment of this interpreter, if there is one."""
    return shutil.which("buf", path=str(Path(sys.executable).parent))


def buf(root: Path, *arguments: str) -> list[dict[str, Any]]:
    """Run buf with the rules of a project, and return what it objects to.

    Args:
        root: The project; what is beside this interpreter is its buf.
        arguments: Its command, and what that needs.

    Raises:
        RefusedError: It is not installed, or fails.
    """
    program = installed()
    if not program:
        raise RefusedError("buf is not installed here: the group protolint has it.")
    done = run([program, *arguments, "--error-format=json"], cwd=root)
    if done.returncode not in {0, OBJECTS}:
        raise RefusedError(f"buf {arguments[0]} fails: {' '.join(done.stderr.split())}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def ignored(text: str, section: str) -> list[str]:
    """List the files and folders that a section of `buf.yaml` ignores, below protos/.

    Args:
        text: The file.
        section: `lint` or `breaking`.
    """
    found = _listed(section).search(text)
    lines = found["entries"].splitlines() if found else []
    return [line.strip().removeprefix("-").partition(" #")[0].strip(" \"'") for line in lines]


def ignoring(text: str, section: str, names: list[str]) -> str | None:
    """Add files to those that a section of `buf.yaml` ignores; None: it has no such list."""
    found = _listed(section).search(text)
    if not found:
        return None
    there = ignored(text, section)
    lines = "".join(f"    - {name}\n" for name in names if name not in there)
    return text[: found.end()] + lines + text[found.end() :]


def _listed(section: str) -> re.Pattern[str]:
    """The list, a line each, as buf's documentation writes it."""
    return re.compile(
        rf"^{section}:(?: *#.*)?\n(?:(?![^ \n]).*\n)*?"
        r"  ignore:(?: *#.*)?\n(?P<entries>(?:    - .*\n)+)",
        re.MULTILINE,
    )

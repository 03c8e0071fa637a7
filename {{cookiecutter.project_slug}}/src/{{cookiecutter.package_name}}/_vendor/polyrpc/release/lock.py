"""Writes requirements.lock, with hashes: `nox -s lock`; `-- --check` compares it with the pins."""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from ..build.hatch import run
from ..scaffold.sources import RefusedError

LOCK = "requirements.lock"
LOCKED = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", re.MULTILINE)
OLDEST_PYTHON = re.compile(r">=\s*(\d+\.\d+)")


def main() -> None:
    """Lock the versions for the project in the working directory, or check those that are."""
    parser = argparse.ArgumentParser(prog="nox -s lock --", description=__doc__)
    parser.add_argument("--check", action="store_true", help="does it fit? Changes nothing")
    parser.add_argument("--upgrade", action="store_true", help="to the newest that are allowed")
    arguments = parser.parse_args()
    root = Path.cwd()
    pyproject = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    try:
        if not arguments.check:
            write(root, pyproject, upgrade=arguments.upgrade)
        elif not (root / LOCK).is_file():
            print(f"There is no {LOCK}: installations take the newest that is allowed.")
            return
        check(root, pyproject)
    except RefusedError as error:
        sys.exit(str(error))
    print(f"{LOCK} fits pyproject.toml.")


def write(root: Path, pyproject: dict[str, Any], *, upgrade: bool) -> None:
    """Have uv write the lock for every system and Python that the project allows.

    What was locked and still fits stays, unless `upgrade`.

    Raises:
        RefusedError: uv's words; the lock is as it was.
    """
    groups = (f"--group={name}" for name in pyproject["dependency-groups"])
    oldest = OLDEST_PYTHON.search(pyproject["project"]["requires-python"])
    command = [
        *("uv", "pip", "compile", "pyproject.toml", "--universal", "--generate-hashes"),
        *("--all-extras", *groups, "--quiet", f"--output-file={LOCK}"),
        *([f"--python-version={oldest[1]}"] if oldest else []),
        *(["--upgrade"] if upgrade else []),
    ]
    try:
        done = run(command, cwd=root)
    except FileNotFoundError:
        raise RefusedError("uv is not installed here: the group lock has it.") from None
    if done.returncode:
        raise RefusedError(f"{LOCK} was not written: {' '.join(done.stderr.split())}")


def check(root: Path, pyproject: dict[str, Any]) -> None:
    """Compare the lock with what pyproject.toml asks for.

    Raises:
        RefusedError: The first that does not fit.
    """
    locked: dict[str, set[str]] = {}
    for name, found in LOCKED.findall((root / LOCK).read_text(encoding="utf-8")):
        locked.setdefault(canonicalize_name(name), set()).add(found)
    for asked in asked_for(pyproject):
        versions = locked.get(canonicalize_name(asked.name), set())
        if not any(asked.specifier.contains(Version(one), prereleases=True) for one in versions):
            there = " and ".join(sorted(versions)) or "none"
            raise RefusedError(
                f"{LOCK} does not fit pyproject.toml, which asks for {asked}: it has {there}. "
                "`nox -s lock` writes it anew."
            )


def asked_for(pyproject: dict[str, Any]) -> Iterator[Requirement]:
    """Yield what the service, its extras and its groups name themselves."""
    project = pyproject["project"]
    lists = [
        project["dependencies"],
        *project.get("optional-dependencies", {}).values(),
        *pyproject["dependency-groups"].values(),
    ]
    for entries in lists:
        yield from (Requirement(entry) for entry in entries if isinstance(entry, str))


if __name__ == "__main__":
    main()

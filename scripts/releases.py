"""Which releases there are: packages as uv finds them, actions by their tags."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PYTHON = "3.11"
"""The oldest Python that projects support: what does not run there is no candidate."""


class NotFoundError(Exception):
    """The releases could not be found out; the text says why, in the tool's own words."""


def newest(wanted: Iterable[str], *, dependencies: bool = False) -> dict[str, Version]:
    """The newest stable releases that fulfil requirements, each alone or with what they require.

    The index is uv's (`UV_DEFAULT_INDEX`, `UV_INDEX`, `uv.toml`) or else pip's (`PIP_INDEX_URL`).

    Raises:
        NotFoundError: There are none, or the index cannot be asked.
    """
    options = ["--quiet", "--no-annotate", "--no-header", "--upgrade", "--python-version", PYTHON]
    if not dependencies:
        options += ["--no-deps", "--universal"]
    output = _run(["uv", "pip", "compile", *options, "-"], text="\n".join(wanted))
    found = [Requirement(line) for line in output.splitlines() if "==" in line]
    return {
        canonicalize_name(requirement.name): Version(next(iter(requirement.specifier)).version)
        for requirement in found
    }


def newest_of_all(names: set[str], leader: str) -> Version:
    """The newest version of `leader` in which all of `names` were released.

    Raises:
        NotFoundError: None of its last five is.
    """
    candidate = newest([leader])[leader]
    for _ in range(5):
        try:
            newest(f"{name}=={candidate}" for name in names)
        except NotFoundError:
            candidate = newest([f"{leader}<{candidate}"])[leader]
        else:
            return candidate
    raise NotFoundError(f"{leader}: no recent version in which {', '.join(sorted(names))} exist")


def generated_for(grpcio_tools: Version) -> Version:
    """The version of protobuf for which a compiler's stubs are.

    Raises:
        NotFoundError: The compiler cannot be installed, or its stubs do not say it.
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "empty.proto").write_text('syntax = "proto3";\n', encoding="utf-8")
        environment = ["--no-project", "--isolated", "--python", sys.executable]
        compiler = ["--with", f"grpcio-tools=={grpcio_tools}", "python", "-m", "grpc_tools.protoc"]
        paths = [f"-I{folder}", f"--python_out={folder}", "empty.proto"]
        _run(["uv", "run", "--quiet", *environment, *compiler, *paths])
        stub = Path(folder, "empty_pb2.py").read_text(encoding="utf-8")
    if not (version := re.search(r"^# Protobuf Python Version: (\S+)$", stub, re.MULTILINE)):
        raise NotFoundError(f"grpcio-tools {grpcio_tools}: its stubs name no version of protobuf")
    return Version(version[1])


def newest_major(action: str) -> tuple[int, str]:
    """The newest major version of an action on GitHub, by its tags, and the commit of that tag.

    Raises:
        NotFoundError: It has no such tag, or GitHub cannot be asked.
    """
    tags = _run(["git", "ls-remote", "--tags", f"https://github.com/{action}"])
    # A tag with a message is an object of its own; `^{}` is the commit that it stands for.
    found = re.findall(r"^([0-9a-f]{40})\trefs/tags/v(\d+)(?:\^\{\})?$", tags, re.MULTILINE)
    if not found:
        raise NotFoundError(f"{action}: no tag of a major version")
    commits = {int(major): commit for commit, major in found}
    newest = max(commits)
    return newest, commits[newest]


def _run(command: list[str], text: str | None = None) -> str:
    environment = dict(os.environ, GIT_TERMINAL_PROMPT="0")
    if "PIP_INDEX_URL" in environment and not any(
        name in environment for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_NO_INDEX")
    ):
        environment["UV_DEFAULT_INDEX"] = environment["PIP_INDEX_URL"]
    done = subprocess.run(
        command, input=text, capture_output=True, encoding="utf-8", env=environment
    )
    if done.returncode:
        raise NotFoundError(done.stderr.strip() or f"{command[0]}: exit status {done.returncode}")
    return done.stdout

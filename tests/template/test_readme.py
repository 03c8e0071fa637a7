"""Every transcript in the generated README is what a reader sees."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from baking import SCRIPTS
from running import running

ONE_PORT = "### Over Connect, gRPC-Web and gRPC, at one port"
TOOLS = ("buf", "grpcurl")


def transcripts(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command of the `console` blocks and what is printed below it."""
    for block in re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = step.partition("\n")
            yield command, output


def follow(steps: list[tuple[str, str]], port: int, folder: Path) -> None:
    """Run each command, and compare what it prints."""
    for command, output in steps:
        done = subprocess.run(
            ["bash", "-c", command.replace("localhost:8000", f"localhost:{port}")],
            cwd=folder,
            capture_output=True,
            encoding="utf-8",
            timeout=30,
        )
        # What follows a body without a line ending starts a new line on the reader's terminal too.
        printed = done.stdout.rstrip("\n").replace("\r", "")
        assert printed == output.rstrip("\n"), command + done.stderr


@pytest.mark.skipif(os.name == "nt", reason="they are for a POSIX shell")
@pytest.mark.xdist_group("tested")
def test_the_transcripts_of_the_readme(tested: Path, http_port: int, tmp_path: Path) -> None:
    before, _, after = (tested / "README.md").read_text(encoding="utf-8").partition(ONE_PORT)
    steps = list(transcripts(before + after.partition("\n## ")[2]))
    assert len(steps) > 10
    follow(steps, http_port, tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="they are for a POSIX shell")
@pytest.mark.full
@pytest.mark.xdist_group("tested")
def test_the_transcripts_of_every_protocol_at_one_port(tested: Path, tmp_path: Path) -> None:
    text = (tested / "README.md").read_text(encoding="utf-8").partition(ONE_PORT)[2]
    steps = list(transcripts(text.partition("\n## ")[0]))
    assert len(steps) == 7
    missing = {tool for tool in TOOLS if shutil.which(tool) is None}
    here = [step for step in steps if step[0].split()[0] not in missing]
    python = tested / ".nox" / "tests" / SCRIPTS / "python"
    extra = ["uv", "pip", "install", f"--python={python}", "-e", f"{tested}[http2]"]
    subprocess.run(extra, capture_output=True, check=True)
    with running(tested, HTTP2="true") as port:
        follow(here, port, tmp_path)
    if missing:
        pytest.skip(f"NOT JUDGED: {', '.join(sorted(missing))} is missing; all else was called")

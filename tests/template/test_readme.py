"""Every transcript in the generated README is what a reader sees."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


def transcripts(readme: Path) -> Iterator[tuple[str, str]]:
    """Yield each command of the `console` blocks and what is printed below it."""
    for block in re.findall(
        r"^```console\n(.*?)^```", readme.read_text(), re.DOTALL | re.MULTILINE
    ):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = step.partition("\n")
            yield command, output


@pytest.mark.skipif(os.name == "nt", reason="they are for a POSIX shell")
@pytest.mark.xdist_group("tested")
def test_the_transcripts_of_the_readme(tested: Path, http_port: int, tmp_path: Path) -> None:
    steps = list(transcripts(tested / "README.md"))
    assert len(steps) > 10
    for command, output in steps:
        done = subprocess.run(
            ["bash", "-c", command.replace("localhost:8000", f"localhost:{http_port}")],
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=30,
        )
        # What follows a body without a line ending starts a new line on the reader's terminal too.
        assert done.stdout.rstrip("\n").replace("\r", "") == output.rstrip("\n"), command

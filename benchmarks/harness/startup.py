"""How long a start takes and how much memory a worker has, and how long generation takes."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from .environments import copy_template
from .load import LoadError
from .peers import SERVERS, ServerSpec
from .results import add
from .rounds import Run, check_answer
from .servers import running, wait_until_listening
from .targets import HTTP

_MIB = 1024 * 1024
_IMPORTS = ServerSpec("imports", "service", ("imports.py", "{port}"))
"""Imports `grpc`, `uvicorn` and `esmerald`, and then listens."""


def measure_starts(run: Run) -> None:
    """Measures from the start of a process to its first answer, and its memory then.

    It is alone on its core: no other server may run.
    """
    service = next(spec for spec in SERVERS if spec.name == "service")
    target = next(target for target in HTTP if target.name == "service")
    # The first start of each writes byte code and fills the page cache.
    for number in range(run.plan.starts + 1):
        run.report(f"starts, {number} of {run.plan.starts}")
        for spec in (_IMPORTS, service):
            begin = time.perf_counter()
            with running(spec, run.environments, run.cores.server) as server:
                wait_until_listening(server, "port")
                if spec is service:
                    check_answer(target, server, run.small)
                seconds = time.perf_counter() - begin
                memory = server.memory_bytes() / _MIB
            if number:
                add(
                    run.results.starts.setdefault(spec.name, {}), seconds=seconds, memory_mib=memory
                )


def measure_generation(run: Run) -> None:
    """Measures `cookiecutter --no-input`, until the stubs are compiled."""
    if not run.plan.generations:
        return
    tools = run.environments.cache / "tools" / "bin"
    template = copy_template(run.environments.cache / "template")
    run.report("generation")
    # The first one fills uv's cache.
    for number in range(run.plan.generations + 1):
        seconds = _generate(tools, template, f"{tools}{os.pathsep}{os.defpath}")
        if number:
            add(run.results.generations, uv=seconds)
    add(run.results.generations, pip=_generate(tools, template, os.defpath))


def _generate(tools: Path, template: Path, path: str) -> float:
    output = tools.parents[1] / "generated"
    shutil.rmtree(output, ignore_errors=True)
    begin = time.perf_counter()
    subprocess.run(
        [
            *(str(tools / "python"), "-m", "cookiecutter", str(template)),
            *("--no-input", "--default-config", f"--output-dir={output}"),
        ],
        check=True,
        capture_output=True,
        env={**os.environ, "PATH": path},
    )
    seconds = time.perf_counter() - begin
    if not list(output.glob("*/src/*/v1/*_pb2.py")):
        raise LoadError("generation left no stubs")
    return seconds

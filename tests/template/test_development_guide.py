"""docs/development.md of a project: its debugger, its REPL and its notebook."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import nbclient
import nbformat
import pytest
from baking import bake, environment
from commands import SCRIPTS, as_installed, polyrpc

pytestmark = pytest.mark.full

ANSWER = "{'message': 'Hello, World!'}"


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    project = as_installed(bake(template, tmp_path))
    polyrpc(project, "build")
    return project


def lines_of(project: Path, section: str) -> str:
    """The Python of a section of the guide, of which a reader types no more than five lines."""
    guide = (project / "docs/development.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {section}\n.*?^```python\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)
    assert found
    assert len(found[1].split("\n\n")) <= 2
    assert len(re.findall(r"^.", found[1], re.MULTILINE)) <= 5
    return found[1]


def variables(project: Path) -> dict[str, str]:
    return {
        **environment(),
        "PYTHONPATH": str(project / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        # No profile of the person who runs the tests.
        "IPYTHONDIR": str(project.parent / "ipython"),
        "GREETER_SERVICE_HTTP_PORT": "0",
        "GREETER_SERVICE_GRPC_PORT": "0",
    }


@pytest.mark.parametrize(
    "prompt",
    [
        (f"{SCRIPTS}/ipython", "--simple-prompt", "--no-banner", "--colors=NoColor"),
        (sys.executable, "-m", "asyncio"),
    ],
    ids=["IPython", "asyncio"],
)
def test_the_service_runs_in_a_repl(prompt: tuple[str, ...], project: Path) -> None:
    typed = lines_of(project, "A REPL") + "await service.__aexit__(None, None, None)\n"
    done = subprocess.run(
        prompt,
        cwd=project,
        env=variables(project),
        input=typed,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=120,
    )
    assert ANSWER in done.stdout, done.stdout


def test_a_notebook_runs_it_and_calls_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables(project).items():
        monkeypatch.setenv(name, value)
    calls = lines_of(project, "A notebook")
    assert '"localhost:50051"' in calls
    calls = calls.replace('"localhost:50051"', 'f"127.0.0.1:{service.grpc_port}"')
    ends = "await service.__aexit__(None, None, None)"
    cells = [lines_of(project, "A REPL"), calls, ends]
    v4: Any = nbformat.v4
    notebook = v4.new_notebook(cells=[*map(v4.new_code_cell, cells)])
    nbclient.NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": str(project)}}
    ).execute()
    served, called, _ = (
        "".join(str(output.get("data")) for output in cell.outputs) for cell in notebook.cells
    )
    assert ANSWER in served.replace('"', "")
    assert "Hello, World!" in called


@pytest.mark.skipif(os.name == "nt", reason="its input is a pipe")
def test_a_breakpoint_stops_the_service_in_its_terminal(project: Path) -> None:
    signature, stop = lines_of(project, "A debugger").splitlines()
    servicer = project / "src/greeter_service/servicers/greeter.py"
    text = servicer.read_text(encoding="utf-8")
    method = re.search(r"    async def SayHello\(.*?\) -> [\w.]+:\n", text, re.DOTALL)
    assert method
    assert re.sub(r"\s+|,(?=\s*\))", "", method[0]) == re.sub(r"\s+", "", signature)
    statement, commands = stop.split("  # then: ")
    inside = text.replace(method[0], f"{method[0]}{statement}\n", 1)
    servicer.write_text(inside, encoding="utf-8")
    with (
        ThreadPoolExecutor() as threads,
        subprocess.Popen(
            [sys.executable, "-m", "greeter_service"],
            cwd=project,
            env={**variables(project), "GREETER_SERVICE_LOG_FORMAT": "json"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        ) as process,
    ):
        try:
            assert process.stdin
            assert process.stderr
            start = next(line for line in process.stderr if '"http_port"' in line)
            found = re.search(r'"http_port": ?(\d+)', start)
            assert found
            call = Request(
                f"http://127.0.0.1:{found[1]}/grpc/greeterservice/sayhello",
                b'{"name":"World"}',
                {"content-type": "application/json"},
            )
            answer = threads.submit(lambda: urlopen(call).read())
            for command in commands.split(", "):
                process.stdin.write(f"{command}\n")
            process.stdin.flush()
            assert answer.result(60) == b'{"message":"Hello, World!"}'
            process.terminate()
            printed, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert "(Pdb) 'World'" in printed

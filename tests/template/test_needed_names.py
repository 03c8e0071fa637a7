"""The names that no project and no stubs may have are those of what a project really needs."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from baking import CHOICES, LIBRARY, ROOT, SCRIPTS, bake

UV = shutil.which("uv") or "uv"
# Run in an environment: its distributions and modules, but for the project's own.
NAMES = """
import json
from importlib.metadata import distributions, packages_distributions
own = "greeter-service"
print(json.dumps({
    "distributions": [d.metadata["Name"] for d in distributions() if d.metadata["Name"] != own],
    "modules": [m for m, owners in packages_distributions().items() if set(owners) != {own}],
}))
"""


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "hooks"))
    return importlib.import_module("pre_gen_project")


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(LIBRARY / "scaffold"))
    return importlib.import_module("taken")


def test_the_hook_refuses_all_that_add_service_refuses(hook: Any, taken: Any) -> None:
    assert taken.DEPENDENCIES <= hook.NEEDED
    assert taken.PYTHON == hook.PYTHON


@pytest.mark.full
@pytest.mark.parametrize("framework", CHOICES["framework"])
def test_the_names_are_those_of_the_whole_closure(
    framework: str, hook: Any, taken: Any, template: Path, tmp_path: Path
) -> None:
    project = bake(template, tmp_path, {"framework": framework})
    python = tmp_path / "venv" / SCRIPTS / "python"
    uv("venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv"))

    install(project, python, ".[http2,otel,validate]", "--group=test")
    imported = names(python)["modules"] - {"google", framework}
    assert {name for name in imported if not name.startswith("_")} - taken.DEPENDENCIES == set()

    install(project, python, ".[http2,otel,validate]", "--group=dev", "--group=certs")
    found = names(python)
    distributions = {re.sub(r"[-_.]+", "_", name).lower() for name in found["distributions"]}
    # What no question can be answered with needs no entry.
    modules = {name for name in found["modules"] if re.fullmatch(r"[a-z][a-z0-9_]*", name)}
    commands = {
        path.name.replace("-", "_")
        for path in python.parent.iterdir()
        if re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", path.name)
    } - {"greeter_service"}
    assert (distributions | modules | commands) - hook.NEEDED == set()


def install(project: Path, python: Path, *what: str) -> None:
    uv("pip", "install", "--quiet", "--python", str(python), *what, folder=project)


def names(python: Path) -> dict[str, set[str]]:
    done = subprocess.run([python, "-c", NAMES], capture_output=True, encoding="utf-8", check=True)
    return {kind: set(found) for kind, found in json.loads(done.stdout).items()}


def uv(*arguments: str, folder: Path | None = None) -> None:
    done = subprocess.run([UV, *arguments], cwd=folder, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr

"""Bakes the template: by API, with `--no-input` as a script does, or through the prompts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from cookiecutter.main import cookiecutter

ROOT = Path(__file__).parents[2]
TEMPLATE = "{{cookiecutter.project_slug}}"
LIBRARY = ROOT / TEMPLATE / "src" / "{{cookiecutter.package_name}}" / "_vendor" / "polyrpc"
SCRIPTS = "Scripts" if os.name == "nt" else "bin"  # of a virtual environment
QUESTIONS = [
    name
    for name in json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
    if not name.startswith("_")
]
CHOICES = {
    "license": ["MIT", "BSD-3-Clause", "Apache-2.0", "Proprietary"],
    "deployment": ["kubernetes", "compose", "none"],
    "ci": ["github", "gitlab", "none"],
    "framework": ["esmerald", "ravyn"],
    "library": ["vendored", "dependency"],
}
DEFAULTS: Mapping[str, str] = {}
STUBS = ["_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi"]


def copy_template(folder: Path) -> Path:
    """Copy what a clone holds, without the caches that work on the template leaves in it."""
    caches = shutil.ignore_patterns("__pycache__", ".*_cache")
    shutil.copytree(ROOT / TEMPLATE, folder / TEMPLATE, ignore=caches)
    shutil.copytree(ROOT / "hooks", folder / "hooks", ignore=caches)
    for name in ("cookiecutter.json", "local_extensions.py"):
        shutil.copy(ROOT / name, folder)
    return folder


def bake(
    template: Path, output: Path, answers: Mapping[str, str] = DEFAULTS, *, hooks: bool = False
) -> Path:
    """Bake in this process; without hooks nothing is checked or compiled."""
    if hooks:
        return _rendered(template, output, answers, hooks=True)
    # Rendering takes ten times as long as copying, and many tests begin with the same project.
    project = _baked(template, tuple(answers.items()))
    return Path(shutil.copytree(project, output / project.name))


_PROJECTS = tempfile.TemporaryDirectory(prefix="baked-")


@cache
def _baked(template: Path, answers: tuple[tuple[str, str], ...]) -> Path:
    output = Path(tempfile.mkdtemp(dir=_PROJECTS.name))
    project = _rendered(template, output, dict(answers), hooks=False)
    if ("library", "dependency") in answers:
        # The one thing that the hook takes away.
        for vendor in (project / "src").glob("*/_vendor"):
            shutil.rmtree(vendor)
    return project


def _rendered(template: Path, output: Path, answers: Mapping[str, str], *, hooks: bool) -> Path:
    # Each template brings its own.
    sys.modules.pop("local_extensions", None)
    return Path(
        cookiecutter(
            str(template),
            no_input=True,
            extra_context=dict(answers),
            output_dir=str(output),
            default_config=True,
            accept_hooks=hooks,
        )
    )


def bake_in_a_process(
    template: Path,
    output: Path,
    answers: Mapping[str, str] = DEFAULTS,
    *,
    env: Mapping[str, str] | None = None,
    python: str = sys.executable,
) -> subprocess.CompletedProcess[str]:
    """Bake with `--no-input`, as a script would."""
    return subprocess.run(
        [
            *(python, "-m", "cookiecutter", str(template), "--no-input", "--default-config"),
            *("--output-dir", str(output)),
            *(f"{name}={value}" for name, value in answers.items()),
        ],
        capture_output=True,
        encoding="utf-8",
        env=env,
        timeout=300,
    )


def answer_prompts(
    template: Path, output: Path, **answers: str
) -> subprocess.CompletedProcess[str]:
    """Bake as a person does, at the prompts."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "cookiecutter", str(template), "--default-config"),
            *("--output-dir", str(output)),
        ],
        input="".join(f"{answers.get(name, '')}\n" for name in QUESTIONS),
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )


def environment() -> dict[str, str]:
    """The environment without what the pytest that runs these tests has put there."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}


def with_the_library(project: Path, **variables: str) -> dict[str, str]:
    """The environment in which `python -m polyrpc.build` and its like run in a project."""
    (package,) = (project / "src").glob("*/_vendor")
    return {**environment(), "PYTHONPATH": str(package), **variables}


def nox(project: Path, *sessions: str) -> subprocess.CompletedProcess[str]:
    """Run sessions of a generated project, as its own README says."""
    return subprocess.run(
        [sys.executable, "-m", "nox", "-s", *sessions],
        cwd=project,
        env={**environment(), "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=900,
    )


def files(project: Path) -> dict[str, bytes]:
    """Every file of a project, by its path."""
    return {
        path.relative_to(project).as_posix(): path.read_bytes()
        for path in sorted(project.rglob("*"))
        if path.is_file()
    }


def is_build_product(name: str) -> bool:
    """Whether protoc wrote the file, or the build has brought it."""
    return name.endswith((*STUBS, ".binpb")) or "/swagger_ui/" in name

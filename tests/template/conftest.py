"""One clean copy of the template, and one default project with stubs, for all tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from baking import ROOT, SCRIPTS, bake, bake_in_a_process, copy_template, nox
from filelock import FileLock


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a clone holds it."""
    return copy_template(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def generated(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default project, as `cookiecutter --no-input` leaves it. Tests do not change it.

    The processes of pytest-xdist share one.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    project = folder / "generated" / "greeter-service"
    done = folder / "generated.done"
    with FileLock(folder / "generated.lock"):
        if not done.exists():
            baked = bake_in_a_process(template, project.parent)
            assert baked.returncode == 0, baked.stderr
            done.touch()
    return project


@pytest.fixture(scope="session")
def tested(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A default project that has passed its own tests, with the environment they ran in."""
    project = bake(template, tmp_path_factory.mktemp("tested"))
    done = nox(project, "tests")
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert "warning" not in done.stdout.lower()
    return project


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the library's wheel, as `nox -s build` makes it."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return folder


@pytest.fixture(scope="session")
def http_port(tested: Path) -> Iterator[int]:
    """The HTTP port of the generated service, run from the environment of its own tests."""
    ports = {"GREETER_SERVICE_HTTP_PORT": "0", "GREETER_SERVICE_GRPC_PORT": "0"}
    process = subprocess.Popen(
        [tested / ".nox" / "tests" / SCRIPTS / "python", "-m", "greeter_service"],
        env={**os.environ, **ports, "GREETER_SERVICE_LOG_FORMAT": "json"},
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stderr is not None
    try:
        events = map(json.loads, process.stderr)
        yield next(event["http_port"] for event in events if "http_port" in event)
    finally:
        process.terminate()
        process.communicate()

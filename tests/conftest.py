"""One clean copy of the template, and one default project with stubs, for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from baking import bake_in_a_process, copy_template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a clone holds it."""
    return copy_template(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def generated(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default project, as `cookiecutter --no-input` leaves it. Tests do not change it."""
    output = tmp_path_factory.mktemp("generated")
    done = bake_in_a_process(template, output)
    assert done.returncode == 0, done.stderr
    return output / "greeter-service"

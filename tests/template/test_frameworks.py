"""The web frameworks that a project may stand on: all that differs, and where it does."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from baking import CHOICES, bake, files

MODULE = "src/greeter_service/app.py"
PACKAGES = {*CHOICES["framework"], "lilya"}


@pytest.fixture(scope="module")
def projects(template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A default project for each framework."""
    return {
        name: bake(template, tmp_path_factory.mktemp(name), {"framework": name})
        for name in CHOICES["framework"]
    }


def test_projects_differ_in_a_module_and_what_names_it(projects: dict[str, Path]) -> None:
    one, other = map(files, projects.values())
    assert one.keys() == other.keys()
    # So both are tested by the same tests, too.
    assert {name for name in one if one[name] != other[name]} == {
        *(MODULE, "pyproject.toml", "README.md"),
        *("docs/recipes/browser.md", "docs/recipes/upload-and-webhook.md"),
    }


@pytest.mark.parametrize("framework", CHOICES["framework"])
def test_one_module_alone_imports_the_framework(framework: str, projects: dict[str, Path]) -> None:
    importing = {
        name: packages & PACKAGES
        for name, content in files(projects[framework]).items()
        if name.endswith(".py")
        and "/_vendor/" not in name
        and (packages := imported(content.decode("utf-8"))) & PACKAGES
    }
    assert importing == {MODULE: {framework}}


def imported(source: str) -> set[str]:
    """The top-level packages that a module imports by their names."""
    found = set[str]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.partition(".")[0])
    return found

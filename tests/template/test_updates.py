"""Projects take over what the template brings, and a team's work in them stays as it is.

`nox -s updates` prints every command of these tests, and what it says.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import updating
from baking import ROOT, TEMPLATE
from teams import (
    FIRST_RELEASE,
    LAST_BEFORE_THE_LIBRARY,
    Past,
    assert_the_work_is_there,
    conflicts_in,
    follow_the_recipe,
    work_as_a_team,
)

# The newest commit whose projects hold the machinery themselves.
BEFORE_THE_LIBRARY = "8d20236d2067097ce5c50de9517679937db0e4e6"
PACKAGE = "{{cookiecutter.package_name}}"


def of_the_example(name: str) -> str:
    """The template's name of a file that only projects with the example have."""
    return f"{{% if not cookiecutter.proto_file %}}{name}{{% endif %}}"


def run_the_tests(project: Path) -> str:
    """Run the project's own tests, as its README says."""
    inherited = {"NO_COLOR": "1", "PYTEST_ADDOPTS": "-q --no-header"}
    return updating.run(project, sys.executable, "-m", "nox", "-s", "tests", env=inherited)


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A clone of this repository with its whole history, and the work tree as newest commit."""
    if updating.git(ROOT, "rev-parse", "--is-shallow-repository").strip() == "true":
        updating.run(ROOT, "git", "fetch", "--quiet", "--unshallow", status=None)
    shallow = updating.git(ROOT, "rev-parse", "--is-shallow-repository").strip()
    assert shallow == "false", "This clone is shallow: `git fetch --unshallow`, then test again."
    return updating.clone_with_work_tree(tmp_path / "template")


def first_release(history: Path) -> str:
    """The commit that wrote the CHANGELOG's entry of 0.1.0."""
    log = ("log", "--reverse", "--format=%H", "-S## 0.1.0", "--", "CHANGELOG.md")
    return updating.git(history, *log).split()[0]


@pytest.fixture
def newest(template: Path, tmp_path: Path) -> Path:
    """The template as it is, as a git repository of one commit."""
    folder = tmp_path / "template"
    shutil.copytree(template, folder)
    return updating.repository(folder, "The template")


def change_the_template(repository: Path, changes: dict[str, tuple[str, str]]) -> None:
    """Commit a next version of the template."""
    for name, (old, new) in changes.items():
        path = repository / TEMPLATE / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8", newline="\n")
    updating.commit(repository, "The next version")


def create(history: Path, commit: str, folder: Path) -> Path:
    """A default project of that commit, as a team had it."""
    updating.cruft(folder, "create", str(history), "--no-input", "--checkout", commit, stubs=True)
    return updating.repository(folder / "greeter-service", "Start the greeter")


def update(project: Path, past: Past, history: Path) -> None:
    """Update what a team has written to the newest template, as the guide says, and test it."""
    work_as_a_team(project, past.team)
    assert "FAILURE" in updating.cruft(project, "check", status=1)
    updating.cruft(project, "update", "--skip-apply-ask", stubs=True)
    assert conflicts_in(project) == past.conflicts
    follow_the_recipe(project, updating.fresh(history, project.parent / "fresh"), past)
    assert_the_work_is_there(project, past.kept)
    updating.git(project, "diff", "--shortstat", "HEAD")
    updating.commit(project, "Update to the newest template")
    assert "SUCCESS" in updating.cruft(project, "check")
    assert " passed" in run_the_tests(project)


@pytest.mark.full
def test_a_project_of_the_first_release_becomes_one_of_the_newest(
    history: Path, tmp_path: Path
) -> None:
    project = create(history, first_release(history), tmp_path)
    update(project, FIRST_RELEASE, history)


@pytest.mark.full
def test_a_project_from_before_the_library_becomes_one_of_the_newest(
    history: Path, tmp_path: Path
) -> None:
    project = create(history, BEFORE_THE_LIBRARY, tmp_path)
    update(project, LAST_BEFORE_THE_LIBRARY, history)


@pytest.mark.full
def test_a_project_of_plain_cookiecutter_takes_the_next_version(
    newest: Path, tmp_path: Path
) -> None:
    updating.cookiecutter(tmp_path, str(newest))
    project = updating.repository(tmp_path / "greeter-service", "Start the greeter")
    work_as_a_team(project)
    assert "SUCCESS" in updating.cruft(project, "check")
    teams = {
        f"src/{PACKAGE}/servicers/{of_the_example('{{cookiecutter.__proto_name}}.py')}": (
            "Greets people.",
            "Greets everyone.",
        ),
        f"protos/{PACKAGE}/v1/{of_the_example('{{cookiecutter.__proto_name}}.proto')}": (
            "The person's name.",
            "Their name.",
        ),
        f"tests/{of_the_example('test_{{cookiecutter.__proto_name}}.py')}": (
            "Every RPC",
            "Each RPC",
        ),
    }
    templates = {"noxfile.py": ("Run the tests;", "Run all tests;")}
    change_the_template(newest, teams | templates)
    assert "FAILURE" in updating.cruft(project, "check", status=1)

    updating.cruft(project, "update", "--skip-apply-ask")
    assert_the_work_is_there(project)
    changed = updating.git(project, "diff", "--name-only", "HEAD").split()
    assert changed == [".cruft.json", "noxfile.py"]
    assert "Run all tests;" in (project / "noxfile.py").read_text(encoding="utf-8")
    updating.commit(project, "Update the template")
    assert "SUCCESS" in updating.cruft(project, "check")


@pytest.mark.full
def test_an_answer_can_be_changed_later(newest: Path, tmp_path: Path) -> None:
    # cruft gives cookiecutter every answer anew, this one too.
    odd = "description={{ nobody }} {% raw %} \"'\\"
    updating.cookiecutter(tmp_path, str(newest), odd)
    project = updating.repository(tmp_path / "greeter-service", "Start the greeter")
    work_as_a_team(project)
    answers = {"deployment": "compose", "ci": "gitlab", "license": "Apache-2.0"}
    updating.cruft(
        project, "update", "--skip-apply-ask", "--variables-to-update", json.dumps(answers)
    )
    assert_the_work_is_there(project)
    updating.commit(project, "Deploy with compose")
    (tmp_path / "born").mkdir()
    updating.cookiecutter(
        tmp_path / "born",
        *(str(newest), odd),
        *(f"{name}={value}" for name, value in answers.items()),
    )
    born = updating.repository(tmp_path / "born" / "greeter-service", "Start the greeter")
    work_as_a_team(born)
    updating.run(
        tmp_path,
        *("git", "diff", "--no-index", "--exit-code", "--stat"),
        *(f"{folder}/.cruft.json" for folder in ("greeter-service", "born/greeter-service")),
    )
    assert updating.git(project, "rev-parse", "HEAD^{tree}") == updating.git(
        born, "rev-parse", "HEAD^{tree}"
    )

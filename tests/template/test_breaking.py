"""`nox -s breaking`: which changes of a contract break whom, since which revision."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from baking import bake
from commands import commit, polyrpc, refused, run

PROTO = "protos/greeter_service/v1/greeter.proto"
EVERYONE = "callers that have the older stubs"
# What is replaced in the example's proto by what, what is said, and who is named.
CHANGES = {
    "a field removed": (
        ("  int32 count = 2;\n", ""),
        'field "2" with name "count"',
        EVERYONE,
    ),
    "a field renumbered": (
        ("int32 count = 2;", "int32 count = 3;"),
        'field "2" with name "count"',
        EVERYONE,
    ),
    "its type changed": (
        ("int32 count = 2;", "string count = 2;"),
        'from "int32" to "string"',
        EVERYONE,
    ),
    "an RPC removed": (
        ("  rpc Chat(stream ChatRequest) returns (stream ChatResponse);\n", ""),
        'RPC "Chat"',
        EVERYONE,
    ),
    "a field renamed": (
        ("int32 count = 2;", "int32 times = 2;"),
        'from "count" to "times"',
        "callers of HTTP/JSON",
    ),
    "a message that nobody sends removed": (
        ("// One greeting of several.", "message Unused {}\n// One greeting of several."),
        'message "Unused"',
        "code that is compiled",
    ),
}
# One of those that each sort of caller notices; `nox -s matrix` tries the others.
QUICK = ("a field removed", "a field renamed", "a message that nobody sends removed")
EACH_CHANGE = [
    pytest.param(*values, id=name, marks=[] if name in QUICK else pytest.mark.full)
    for name, values in CHANGES.items()
]
HARMLESS = ("int32 count = 2;", "int32 count = 2;\n  string language = 3;")


def change(project: Path, old: str, new: str) -> None:
    path = project / PROTO
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.fixture(scope="module")
def committed(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in a repository with one commit."""
    project = bake(template, tmp_path_factory.mktemp("committed"))
    commit(project, "Begin")
    return project


@pytest.fixture
def project(committed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(committed, tmp_path / "greeter-service"))


@pytest.mark.parametrize(("edit", "what", "whom"), EACH_CHANGE)
def test_a_change_that_breaks_somebody_is_named_with_whom(
    edit: tuple[str, str], what: str, whom: str, project: Path
) -> None:
    old, new = edit
    if new.startswith("message"):  # It has to be there before it can go.
        change(project, old, new)
        commit(project, "More")
        old, new = new, old
    change(project, old, new)
    done = run(project, "python", "-m", "polyrpc.release.breaking", "main", status=1)
    lines = done.stdout.splitlines()
    assert any(what in line and whom in line for line in lines), done.stdout
    for line in lines:
        assert re.match(r"protos/greeter_service/v1/greeter\.proto:\d+: ", line)
    assert done.stderr.startswith(f"Breaking since main: {len(lines)}.")


def test_an_addition_breaks_nobody(project: Path) -> None:
    change(project, *HARMLESS)
    assert polyrpc(project, "release.breaking", "main") == "No change since main breaks anybody.\n"


def test_the_rules_are_those_of_the_project(project: Path) -> None:
    rules = project / "buf.yaml"
    text = rules.read_text(encoding="utf-8")
    rules.write_text(text.replace("    - FILE\n", "    - WIRE\n"), encoding="utf-8")
    change(project, "int32 count = 2;", "int32 times = 2;")
    assert "breaks anybody" in polyrpc(project, "release.breaking", "HEAD")


def test_a_folder_in_a_larger_repository_is_compared_with_itself(
    template: Path, tmp_path: Path
) -> None:
    project = bake(template, tmp_path)
    run(project, "git", "init", "--quiet", "--initial-branch=main", tmp_path)
    run(project, "git", "-C", tmp_path, "add", "--all")
    run(project, "git", "commit", "--quiet", "--message", "Both")
    assert "breaks anybody" in polyrpc(project, "release.breaking", "main")
    change(project, "int32 count = 2;", "")
    done = run(project, "python", "-m", "polyrpc.release.breaking", "main", status=1)
    assert done.stdout.count("\n") == 1


def test_what_cannot_be_compared_is_said_in_a_line(project: Path) -> None:
    assert refused(project, "release.breaking", "no-such-branch").startswith(
        "no-such-branch is no revision of this repository"
    )
    assert "--help is no revision" in refused(project, "release.breaking", "--", "--help")
    path = project / PROTO
    path.write_text(path.read_text(encoding="utf-8") + "message {\n", encoding="utf-8")
    assert "greeter.proto:" in refused(project, "release.breaking", "main")
    commit(project, "Unfit")
    run(project, "git", "checkout", "--quiet", "HEAD~1", "--", "protos")
    line = refused(project, "release.breaking", "main")
    assert line.startswith("The protos of main do not compile: greeter_service/v1/greeter.proto:")
    shutil.rmtree(project / ".git")
    assert "is in no git repository" in refused(
        *(project, "release.breaking", "main"), GIT_CEILING_DIRECTORIES=str(project.parent)
    )


def test_a_link_that_a_revision_has_leads_nowhere(project: Path) -> None:
    link = project / "protos" / "outside.proto"
    link.symlink_to(project / "pyproject.toml")
    commit(project, "Link")
    link.unlink()
    assert "breaks anybody" in polyrpc(project, "release.breaking", "main")


def test_a_revision_without_protos_can_be_broken_by_nothing(template: Path, tmp_path: Path) -> None:
    project = bake(template, tmp_path)
    shutil.move(project / "protos", tmp_path / "protos")
    commit(project, "No protos yet")
    shutil.move(tmp_path / "protos", project / "protos")
    assert "breaks anybody" in polyrpc(project, "release.breaking", "main")

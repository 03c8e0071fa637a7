"""`nox -s rename`: another name for a project, or for its copy, which becomes another one."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from baking import bake, files, is_build_product
from checks import check_project
from commands import commit, polyrpc, refused, run


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    return bake(template, tmp_path)


def passed(project: Path) -> bool:
    """Whether it is installed, and its own tests pass."""
    target = project.parent / "installed"
    shutil.rmtree(target, ignore_errors=True)
    build = ("--no-deps", "--no-build-isolation", "--python", sys.executable, "--target", target)
    run(project, "uv", "pip", "install", "--quiet", *build, ".")
    pytest_in_it = ("-B", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    variables = {"PYTHONPATH": str(target), "PYTEST_ADDOPTS": ""}
    return " passed" in run(project, sys.executable, *pytest_in_it, variables=variables).stdout


def greets_in_no_file(project: Path) -> bool:
    return not [
        name
        for name, text in files(project).items()
        if "/_vendor/" not in name
        and not name.startswith(".git/")
        and ("greeter" in name.lower() or b"greeter" in text.lower())
    ]


@pytest.mark.full
def test_a_project_goes_on_under_another_name(project: Path) -> None:
    (project / ".cruft.json").write_text(
        json.dumps({"context": {"cookiecutter": {"project_slug": "greeter-service"}}})
    )
    polyrpc(project, "build")
    polyrpc(project, "scaffold.rename", "order-book")
    assert greets_in_no_file(project)
    assert (project / "protos/order_book/v1/order_book.proto").is_file()
    assert "ORDER_BOOK_" in (project / "src/order_book/settings.py").read_text(encoding="utf-8")
    context = json.loads((project / ".cruft.json").read_text())["context"]["cookiecutter"]
    assert context == {"project_slug": "order-book"}
    (project / ".cruft.json").unlink()
    check_project(project)
    assert passed(project)


@pytest.mark.full
def test_a_copy_becomes_another_project_as_the_readme_says(project: Path, tmp_path: Path) -> None:
    commit(project, "Begin")
    readme = (project / "README.md").read_text(encoding="utf-8")
    (block,) = (one for one in readme.split("```sh\n")[1:] if one.startswith("cp -r"))
    commands = block.partition("```")[0]
    assert "nox -s rename -- order-service" in commands
    # What the session runs is run below, with the tests' own tools.
    done = commands.replace("nox -s rename --", "true")
    run(project, "bash", "-euc", done)
    copied = tmp_path / "order-service"
    polyrpc(copied, "scaffold.rename", "order-service")
    assert greets_in_no_file(copied)
    assert (copied / "src/order_service/servicers/order.py").is_file()
    assert passed(copied)


def test_back_again_all_is_as_it_was(project: Path) -> None:
    def sources() -> dict[str, bytes]:
        found = files(project).items()
        return {name: text for name, text in found if not is_build_product(name)}

    before = sources()
    polyrpc(project, "scaffold.rename", "billing-service")
    assert sources() != before
    polyrpc(project, "scaffold.rename", "greeter-service")
    after = sources()
    assert after.keys() == before.keys()
    assert [name for name in before if before[name] != after[name]] == []


@pytest.mark.parametrize(
    ("name", "reason"),
    {
        "Order-Service": "is no name",
        "order_service": "is no name",
        "9-lives": "is no name",
        "o" * 59: "is no name",
        "grpc": "something that the service needs",
        "import": "something that the service needs",
        "greeter-service": "its name already",
        "taken": "src/taken is there already",
    }.items(),
)
def test_names_that_it_cannot_have_change_nothing(name: str, reason: str, project: Path) -> None:
    (project / "src/taken").mkdir()
    before = files(project)
    assert reason in refused(project, "scaffold.rename", name)
    assert files(project) == before

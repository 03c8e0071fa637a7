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

# What a team writes: (file, the line before, its own lines).
TEAM = [
    (
        "protos/greeter_service/v1/greeter.proto",
        "  string name = 1;\n",
        "  // How the person is addressed.\n  string title = 2;\n",
    ),
    (
        "src/greeter_service/servicers/greeter.py",
        "    async def SayHello(self, request: pb.SayHelloRequest, context: Context)"
        " -> pb.SayHelloResponse:\n",
        "        if request.title:\n"
        '            name = f"{request.title} {request.name}"\n'
        '            return pb.SayHelloResponse(message=f"Hello, {name}!")\n',
    ),
    (
        "src/greeter_service/settings.py",
        "from .gateway import ServiceSettings\n",
        '\nGREETING = "Hello"\n',
    ),
    (
        "src/greeter_service/app.py",
        "        errors={},  # your exception classes: StatusCode.NOT_FOUND, …\n",
        "        # KeyError is no fault of ours.\n",
    ),
    (
        "tests/test_greeter.py",
        '    assert outcome.messages == [pb.SayHelloResponse(message="Hello, World!")]\n',
        "\n\nasync def test_uses_the_title(call: testing.Call) -> None:\n"
        '    outcome = await call("SayHello", pb.SayHelloRequest(name="Ada", title="Lady"))\n'
        '    assert outcome.messages == [pb.SayHelloResponse(message="Hello, Lady Ada!")]\n',
    ),
    ("README.md", "# Greeter Service\n", "\nOwned by the welcome team.\n"),
    ("pyproject.toml", "dependencies = [\n", '    "idna>=3",\n'),
]
# What a team of the first release has of it after an update, and how it wrote it.
KEPT = [one for one in TEAM if one[0] != "src/greeter_service/app.py"]
FIRST_TEAM = [
    *TEAM[:2],
    (
        "src/greeter_service/settings.py",
        "    reflection: bool = True\n",
        '    greeting: Annotated[str, Field(min_length=1)] = "Hello"\n',
    ),
    (
        "tests/test_servicer.py",
        '    assert response == pb.SayHelloResponse(message="Hello, World!")\n',
        "\n\nasync def test_uses_the_title(servicer: GreeterService) -> None:\n"
        "    context = create_autospec(grpc.aio.ServicerContext)\n"
        '    request = pb.SayHelloRequest(name="Lovelace", title="Countess")\n'
        "    response = await servicer.SayHello(request, context)\n"
        '    assert response.message == "Hello, Countess Lovelace!"\n',
    ),
    (
        "tests/test_http.py",
        '    assert response.json() == {"message": "Hello, World!"}\n',
        "\n\nasync def test_a_title(http: httpx.AsyncClient) -> None:\n"
        '    body = {"name": "Lovelace", "title": "Countess"}\n'
        '    response = await http.post(f"{PATH}/sayhello", json=body)\n'
        '    assert response.json() == {"message": "Hello, Countess Lovelace!"}\n',
    ),
    *TEAM[-2:],
]
# Where a team's lines and the library's border meet, once; and tests whose helpers are gone.
CONFLICTS = {"pyproject.toml", "src/greeter_service/settings.py"}
REPLACED = ("tests/test_http.py", "tests/test_servicer.py")
PACKAGE = "{{cookiecutter.package_name}}"
TEAMS_OWN = {
    "tests/test_titles.py": '"""The team\'s own."""\n\n\ndef test_one() -> None:\n    pass\n'
}


def of_the_example(name: str) -> str:
    """The template's name of a file that only projects with the example have."""
    return f"{{% if not cookiecutter.proto_file %}}{name}{{% endif %}}"


def work_as_a_team(project: Path, team: list[tuple[str, str, str]] = TEAM) -> None:
    """Edit the project as teams do, and commit."""
    for name, before, lines in team:
        path = project / name
        text = path.read_text(encoding="utf-8")
        assert before in text, f"{name} has no line {before!r}"
        path.write_text(text.replace(before, before + lines, 1), encoding="utf-8", newline="\n")
    for name, text in TEAMS_OWN.items():
        (project / name).write_text(text, encoding="utf-8", newline="\n")
    updating.commit(project, "Call people by their titles")
    updating.git(project, "show", "--stat", "--format=")


def assert_the_work_is_there(project: Path, team: list[tuple[str, str, str]] = TEAM) -> None:
    """All edits are where they were, and the update has left no conflict."""
    for name, before, lines in team:
        assert before + lines in (project / name).read_text(encoding="utf-8"), name
    for name, text in TEAMS_OWN.items():
        assert (project / name).read_text(encoding="utf-8") == text
    assert sorted(project.rglob("*.rej")) == []
    unmerged = updating.git(project, "ls-files", "--unmerged")
    assert unmerged == ""
    # -I: text alone; a line that git itself would write.
    updating.run(project, "git", "grep", "-nIE", "^(<{7}|>{7}) ", status=1)


def resolve(project: Path, fresh: Path) -> None:
    """The recipe: take the new files, write one's own lines into them, move one's own tests."""
    for name in CONFLICTS:
        shutil.copy(fresh / name, project / name)
        (project / f"{name}.rej").unlink()
    for name in REPLACED:
        (project / name).unlink()
    for name, before, lines in KEPT:
        path = project / name
        text = path.read_text(encoding="utf-8")
        if lines not in text:
            path.write_text(text.replace(before, before + lines, 1), encoding="utf-8")


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


@pytest.mark.full
def test_a_project_of_the_first_release_becomes_one_of_the_newest(
    history: Path, tmp_path: Path
) -> None:
    first = first_release(history)
    updating.cruft(tmp_path, "create", str(history), "--no-input", "--checkout", first, stubs=True)
    project = updating.repository(tmp_path / "greeter-service", "Start the greeter")
    work_as_a_team(project, FIRST_TEAM)
    assert "FAILURE" in updating.cruft(project, "check", status=1)

    updating.cruft(project, "update", "--skip-apply-ask", stubs=True)
    conflicts = {str(path.relative_to(project)) for path in project.rglob("*.rej")}
    assert conflicts == {f"{name}.rej" for name in CONFLICTS}
    resolve(project, updating.fresh(history, tmp_path / "fresh"))
    assert_the_work_is_there(project, KEPT)
    updating.git(project, "diff", "--shortstat", "HEAD")
    updating.commit(project, "Update to the newest template")
    assert "SUCCESS" in updating.cruft(project, "check")
    assert " passed" in run_the_tests(project)


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

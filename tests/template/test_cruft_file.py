"""A project of plain cookiecutter knows its template as one of cruft does, or not at all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import updating
from baking import CHOICES, TEMPLATE, files

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def repository(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a git repository of one commit. Tests do not change it."""
    # Cookiecutter takes a URL for one of git by this word in it.
    folder = tmp_path_factory.mktemp("repository") / "git" / "grpc"
    shutil.copytree(template, folder)
    return updating.repository(folder, "The template")


def state(project: Path) -> dict[str, Any]:
    content = json.loads((project / ".cruft.json").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def head(repository: Path) -> str:
    return updating.git(repository, "rev-parse", "HEAD").strip()


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {name: choices[-1] for name, choices in CHOICES.items()},
        {"project_name": "Grüße & <Küsse>", "author_name": "\"Q\" \\ 'q' $(id)"},
    ],
    ids=["defaults", "choices", "text"],
)
def test_the_project_is_byte_for_byte_the_one_of_cruft(
    answers: dict[str, str], repository: Path, tmp_path: Path
) -> None:
    updating.cookiecutter(
        tmp_path,
        *(str(repository), "--output-dir", "plain"),
        *(f"{name}={value}" for name, value in answers.items()),
    )
    options = ("--no-input", "--default-config", "--output-dir", "cruft")
    updating.cruft(
        tmp_path, "create", str(repository), *options, "--extra-context", json.dumps(answers)
    )
    plain = files(tmp_path / "plain")
    assert plain == files(tmp_path / "cruft")
    assert any(name.endswith("/.cruft.json") for name in plain)


def test_cruft_finds_the_project_up_to_date(repository: Path, tmp_path: Path) -> None:
    updating.cookiecutter(tmp_path, str(repository))
    assert "SUCCESS" in updating.cruft(tmp_path / "greeter-service", "check")


def test_a_diff_of_cruft_is_a_patch_and_no_more(repository: Path, tmp_path: Path) -> None:
    updating.cookiecutter(tmp_path, str(repository))
    project = tmp_path / "greeter-service"
    updating.repository(project, "Begin")
    with (project / "README.md").open("a", encoding="utf-8") as readme:
        readme.write("Ours.\n")
    done = subprocess.run(
        [sys.executable, "-m", "cruft", "diff"],
        cwd=project,
        env={**os.environ, **updating.IDENTITY, **updating.WITHOUT_STUBS, "PWD": str(project)},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout.startswith("diff --git ")
    assert done.stdout.endswith("Ours.\n")
    assert "Installing the protobuf compiler" in done.stderr


@pytest.mark.parametrize("typed", [".", "../grpc", "{}/../grpc"])
def test_a_template_on_this_machine_is_known_by_its_absolute_path(
    typed: str, repository: Path, tmp_path: Path
) -> None:
    updating.cookiecutter(repository, typed.format(repository), "--output-dir", str(tmp_path))
    found = state(tmp_path / "greeter-service")
    assert found["template"] == str(repository)
    assert found["commit"] == head(repository)


@pytest.fixture
def cloned(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration of cookiecutter that knows the abbreviation `ours:`."""
    config = tmp_path / "config.yaml"
    config.write_text(
        f"cookiecutters_dir: {tmp_path / 'clones'}\n"
        f"abbreviations: {{ours: 'file://{repository.parent}/{{0}}'}}\n"
    )
    monkeypatch.setenv("COOKIECUTTER_CONFIG", str(config))
    return config


def bake_clone(folder: Path, config: Path, *arguments: str) -> Path:
    updating.run(
        folder,
        *(sys.executable, "-m", "cookiecutter", "--no-input", "--config-file", str(config)),
        *arguments,
        env=updating.WITHOUT_STUBS,
    )
    return folder / "greeter-service"


def test_an_abbreviation_is_written_out(cloned: Path, repository: Path, tmp_path: Path) -> None:
    project = bake_clone(tmp_path, cloned, "ours:grpc")
    assert state(project)["template"] == str(repository)
    assert "SUCCESS" in updating.cruft(project, "check")


def test_a_checkout_is_kept(cloned: Path, repository: Path, tmp_path: Path) -> None:
    project = bake_clone(tmp_path, cloned, "ours:grpc", "--checkout", "main")
    found = state(project)
    assert (found["checkout"], found["commit"]) == ("main", head(repository))


@pytest.mark.parametrize(
    ("origin", "location"),
    [
        ("https://github.com/org/x.git", "https://github.com/org/x.git"),
        ("git@github.com:org/x.git", "git@github.com:org/x.git"),
        ("ssh://git@host:22/x.git", "ssh://git@host:22/x.git"),
        ("https://ada:secret@host/x.git", "https://host/x.git"),
        ("https://TOKEN@github.com/org/x.git", "https://github.com/org/x.git"),
        ("https://host:8443/x.git?private_token=TOKEN#TOKEN", "https://host:8443/x.git"),
        ("ssh://git:TOKEN@host/x.git", "ssh://git@host/x.git"),
    ],
)
def test_a_clone_is_known_by_where_it_came_from_without_a_secret(
    origin: str, location: str, repository: Path, cloned: Path, tmp_path: Path
) -> None:
    clone = tmp_path / "clones" / "x"
    updating.git(tmp_path, "clone", "--quiet", str(repository), str(clone))
    updating.git(clone, "remote", "set-url", "origin", origin)
    # A bare name is looked up among the clones.
    assert state(bake_clone(tmp_path, cloned, "x"))["template"] == location


def test_a_template_in_a_folder_of_a_repository_is_found_again(
    repository: Path, tmp_path: Path
) -> None:
    several = tmp_path / "several"
    shutil.copytree(repository, several / "grpc", ignore=shutil.ignore_patterns(".git"))
    updating.repository(several, "Several templates")
    updating.cookiecutter(tmp_path, str(several), "--directory", "grpc")
    found = state(tmp_path / "greeter-service")
    assert (found["template"], found["directory"]) == (str(several), "grpc")
    assert "SUCCESS" in updating.cruft(tmp_path / "greeter-service", "check")


def make_dirty(copy: Path) -> None:
    (copy / TEMPLATE / "README.md").write_text("# Another\n")


def make_untracked(copy: Path) -> None:
    (copy / TEMPLATE / "more.txt").write_text("more\n")


def make_unborn(copy: Path) -> None:
    shutil.rmtree(copy / ".git")
    updating.git(copy, "init", "--quiet")


def make_ignored(copy: Path) -> None:
    shutil.rmtree(copy / ".git")
    (copy.parent / ".gitignore").write_text(f"/{copy.name}/\n")
    updating.repository(copy.parent, "A repository around it")


def make_plain(copy: Path) -> None:
    shutil.rmtree(copy / ".git")


@pytest.mark.parametrize(
    "change", [make_dirty, make_untracked, make_unborn, make_ignored, make_plain]
)
def test_a_template_that_no_commit_stands_for_is_not_named(
    change: Any, repository: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "around" / "copy"
    shutil.copytree(repository, copy)
    change(copy)
    assert "`cruft link`" in updating.cookiecutter(tmp_path, str(copy))
    assert (tmp_path / "greeter-service").is_dir()
    assert not (tmp_path / "greeter-service/.cruft.json").exists()


def test_an_archive_is_not_named(repository: Path, tmp_path: Path) -> None:
    archive = tmp_path / "grpc.zip"
    updating.git(repository, "archive", "--prefix=grpc/", f"--output={archive}", "HEAD")
    updating.cookiecutter(tmp_path, str(archive))
    assert not (tmp_path / "greeter-service/.cruft.json").exists()


def test_generation_needs_no_git(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    updating.run(
        tmp_path,
        *(sys.executable, "-m", "cookiecutter", "--no-input", "--default-config", str(repository)),
        env={**updating.WITHOUT_STUBS, "PATH": str(tmp_path / "bin")},
    )
    assert not (tmp_path / "greeter-service/.cruft.json").exists()


def test_git_that_runs_generation_is_not_taken_for_the_templates(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").write_text("other\n")
    updating.repository(other, "Another repository")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    updating.cookiecutter(tmp_path, str(repository))
    monkeypatch.delenv("GIT_DIR")
    assert state(tmp_path / "greeter-service")["commit"] == head(repository)

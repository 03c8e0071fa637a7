"""Each choice, alone and combined, leaves a tidy project and no trace of other choices."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from baking import CHOICES, bake, files
from checks import check_project

ONE_EACH = [{name: value} for name, values in CHOICES.items() for value in values]
COMBINATIONS = [
    dict(zip(CHOICES, values, strict=True)) for values in itertools.product(*CHOICES.values())
]

CI_FILES = {
    "github": {".github/workflows/ci.yml", ".github/dependabot.yml"},
    "gitlab": {".gitlab-ci.yml"},
    "none": set[str](),
}
CONTAINER_FILES = {"Dockerfile", ".dockerignore", "compose.yaml"}


def label(choices: dict[str, str]) -> str:
    return "-".join(choices.values())


def test_the_default_project_is_tidy(generated: Path) -> None:
    check_project(generated)


@pytest.mark.parametrize("choices", ONE_EACH, ids=label)
def test_each_choice_gives_a_tidy_project(
    choices: dict[str, str], template: Path, tmp_path: Path
) -> None:
    check_project(bake(template, tmp_path, choices))


@pytest.mark.full
@pytest.mark.parametrize("choices", COMBINATIONS, ids=label)
def test_each_combination_gives_a_tidy_project(
    choices: dict[str, str], template: Path, tmp_path: Path
) -> None:
    check_project(bake(template, tmp_path, choices))


@pytest.mark.parametrize("choice", CHOICES["ci"])
def test_only_the_chosen_ci_leaves_files(choice: str, template: Path, tmp_path: Path) -> None:
    names = set(files(bake(template, tmp_path, {"ci": choice})))
    assert names & set[str]().union(*CI_FILES.values()) == CI_FILES[choice]


@pytest.mark.parametrize("choice", CHOICES["deployment"])
def test_only_the_chosen_deployment_leaves_files(
    choice: str, template: Path, tmp_path: Path
) -> None:
    names = set(files(bake(template, tmp_path, {"deployment": choice})))
    assert names & CONTAINER_FILES == (set() if choice == "none" else CONTAINER_FILES)
    manifests = {name for name in names if name.startswith("deploy/")}
    assert bool(manifests) == (choice == "kubernetes")


@pytest.mark.parametrize("choice", CHOICES["deployment"])
def test_the_readme_speaks_of_the_chosen_deployment_alone(
    choice: str, template: Path, tmp_path: Path
) -> None:
    readme = files(bake(template, tmp_path, {"deployment": choice}))["README.md"].decode()
    assert ("docker" in readme) == (choice != "none")
    assert ("kubectl" in readme) == (choice == "kubernetes")


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ("MIT", "MIT License"),
        ("BSD-3-Clause", "BSD 3-Clause License"),
        ("Apache-2.0", "Apache License"),
        ("Proprietary", "All rights reserved"),
    ],
)
def test_the_licence_is_the_chosen_one(
    choice: str, words: str, template: Path, tmp_path: Path
) -> None:
    assert words in files(bake(template, tmp_path, {"license": choice}))["LICENSE"].decode()


def test_optional_folders_are_gone_when_they_hold_nothing(template: Path, tmp_path: Path) -> None:
    project = bake(template, tmp_path, {"deployment": "none", "ci": "none"}, hooks=True)
    empty = [path for path in project.rglob("*") if path.is_dir() and not any(path.iterdir())]
    assert empty == []
    assert not (project / "deploy").exists()
    assert not (project / ".github").exists()

"""Each choice, alone and combined, leaves a tidy project and no trace of other choices."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from baking import CHOICES, ROOT, bake, files
from checks import check_project

ONE_EACH = [{name: value} for name, values in CHOICES.items() for value in values]
# Where the library is changes nothing of what the other choices do.
COMBINED = {name: values for name, values in CHOICES.items() if name != "library"}
COMBINATIONS = [
    *(dict(zip(COMBINED, values, strict=True)) for values in itertools.product(*COMBINED.values())),
    *({"framework": name, "library": "dependency"} for name in CHOICES["framework"]),
]

CI_FILES = {
    "github": {".github/workflows/ci.yml", ".github/dependabot.yml"},
    "gitlab": {".gitlab-ci.yml"},
    "none": set[str](),
}
CONTAINER_FILES = {"Dockerfile", ".dockerignore", "compose.yaml"}
# Words that nothing speaks of but what was chosen.
WORDS = {
    "MIT": r"\bMIT\b",
    "BSD-3-Clause": r"\bBSD\b",
    "Apache-2.0": r"\bApache\b",
    "Proprietary": r"(?i:proprietary)",
    "kubernetes": r"(?i:kube|kustom|\bpods?\b|cert-manager|\bistio\b|helm\b)",
    "compose": r"(?i:docker|\bcompose|container|hadolint|prometheus\.yaml)",
    "github": r"(?i:github|dependabot)",
    "gitlab": r"(?i:gitlab)",
    "esmerald": r"(?i:esmerald)",
    "ravyn": r"(?i:ravyn)",
    "vendored": r"_vendor\.|(?i:vendored)(?<!linguist-vendored)",
    "dependency": r"\bpolyrpc[\[=]",
}


def label(choices: dict[str, str]) -> str:
    return "-".join(choices.values())


def test_the_default_project_is_tidy(generated: Path) -> None:
    check_project(generated)


@pytest.mark.parametrize("choices", ONE_EACH, ids=label)
def test_each_choice_gives_a_tidy_project(
    choices: dict[str, str], template: Path, tmp_path: Path
) -> None:
    check_project(bake(template, tmp_path, choices))


@pytest.mark.parametrize("choices", ONE_EACH, ids=label)
def test_each_choice_leaves_no_trace_of_others(
    choices: dict[str, str], template: Path, tmp_path: Path
) -> None:
    check_traces(bake(template, tmp_path, choices), choices)


@pytest.mark.full
@pytest.mark.parametrize("choices", COMBINATIONS, ids=label)
def test_each_combination_gives_a_project_that_its_own_hooks_leave_alone(
    choices: dict[str, str], template: Path, tmp_path: Path, tools: dict[str, str], wheels: Path
) -> None:
    project = bake(template, tmp_path, choices)
    check_project(project)
    check_traces(project, choices)
    index = {"PIP_FIND_LINKS": str(wheels), "UV_FIND_LINKS": str(wheels)}
    git(project, "init", "--quiet")
    git(project, "add", "--all")
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", "run", "--all-files", "--show-diff-on-failure"],
        cwd=project,
        env={**os.environ, **tools, **index},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=600,
    )
    assert done.returncode == 0, done.stdout
    assert "Skipped" not in done.stdout
    assert git(project, "status", "--porcelain", "--untracked-files=normal") == staged(project)


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Where hooks and their nox keep their environments, so that each is made but once."""
    folder = tmp_path_factory.mktemp("tools")
    return {"PRE_COMMIT_HOME": str(folder / "pre-commit"), "NOX_ENVDIR": str(folder / "nox")}


def git(project: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=project, capture_output=True, encoding="utf-8", check=True
    )
    return done.stdout


def staged(project: Path) -> str:
    """What `git status` says where every file has been added and none changed since."""
    return "".join(f"A  {name}\n" for name in git(project, "ls-files").splitlines())


def check_traces(project: Path, choices: dict[str, str]) -> None:
    """Fail where a name or text speaks of what was not chosen; links to elsewhere may."""
    named = {**{name: values[0] for name, values in CHOICES.items()}, **choices}
    chosen = set(named.values())
    if "kubernetes" in chosen:
        chosen.add("compose")
    for name, content in files(project).items():
        # It knows both frameworks.
        if "/_vendor/" in name:
            continue
        text = re.sub(r"https?://\S+", "", f"{name}\n{content.decode('utf-8')}")
        for other in WORDS.keys() - chosen:
            found = re.search(WORDS[other], text)
            assert found is None, f"{name} speaks of {other}: {found}"


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


@pytest.mark.parametrize("choice", CHOICES["license"])
def test_code_that_others_have_written_comes_with_its_notice(
    choice: str, template: Path, tmp_path: Path
) -> None:
    project = bake(template, tmp_path, {"license": choice})
    theirs = (ROOT / "LICENSE").read_text(encoding="utf-8")
    notice = "src/greeter_service/_vendor/polyrpc/LICENSE"
    granted = theirs[theirs.index("Permission is hereby granted") :]
    assert (project / notice).read_text(encoding="utf-8").endswith(granted)
    metadata = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    assert metadata["project"]["license-files"] == ["LICENSE", notice]


def test_buf_lints_a_fresh_project_without_being_told_how(template: Path, tmp_path: Path) -> None:
    project = bake(template, tmp_path)
    buf = Path(sys.executable).with_name("buf")
    done = subprocess.run([buf, "lint"], cwd=project, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stdout) == (0, "")


def test_optional_folders_are_gone_when_they_hold_nothing(template: Path, tmp_path: Path) -> None:
    project = bake(template, tmp_path, {"deployment": "none", "ci": "none"}, hooks=True)
    empty = [path for path in project.rglob("*") if path.is_dir() and not any(path.iterdir())]
    assert empty == []
    assert not (project / "deploy").exists()
    assert not (project / ".github").exists()

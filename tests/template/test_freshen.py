"""`nox -s freshen` on a package index and a GitHub of the tests' own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import updating
from baking import ROOT, TEMPLATE
from freshen import with_entry
from packaging.version import Version
from pins import ACTION, Change, actions, files, floor, moved, requirements

pytestmark = pytest.mark.full

PROTOC = """
import sys
from pathlib import Path
(output,) = (argument[13:] for argument in sys.argv if argument.startswith("--python_out="))
Path(output, "empty_pb2.py").write_text("# Protobuf Python Version: {version}\\n")
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """What of this repository pins versions."""
    root = tmp_path / "repository"
    for path in [*files(ROOT), ROOT / "CHANGELOG.md"]:
        copy = root / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return root


class Index:
    """A folder of wheels in which every package that is pinned has the release that it has."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder = folder
        folder.mkdir()
        pinned = {name: str(max(map(floor, specs))) for name, specs in requirements(root).items()}
        for name, version in pinned.items():
            self.release(name, version)
        self.compiler(pinned["grpcio-tools"], generates_for=pinned["protobuf"])

    def release(self, name: str, version: str, *requires: str, **modules: str) -> None:
        """Publish a release, with dependencies and modules."""
        wheel = f"{name.replace('-', '_')}-{version}"
        metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
        with zipfile.ZipFile(self.folder / f"{wheel}-py3-none-any.whl", "w") as archive:
            for module, text in modules.items():
                archive.writestr(f"{module.replace('__', '/')}.py", text)
            archive.writestr(f"{wheel}.dist-info/METADATA", "\n".join(metadata) + "\n")
            archive.writestr(
                f"{wheel}.dist-info/WHEEL",
                "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            )
            archive.writestr(f"{wheel}.dist-info/RECORD", "")

    def compiler(self, version: str, generates_for: str) -> None:
        """Publish grpcio-tools whose stubs are for a version of protobuf."""
        protoc = PROTOC.format(version=generates_for)
        self.release("grpcio-tools", version, grpc_tools__protoc=protoc)

    def grpc(self, version: str, generates_for: str) -> None:
        """Publish all parts of gRPC."""
        for part in ("grpcio", "grpcio-health-checking", "grpcio-reflection", "grpcio-status"):
            self.release(part, version)
        self.compiler(version, generates_for)


@pytest.fixture
def index(tmp_path: Path, repository: Path) -> Index:
    return Index(tmp_path / "index", repository)


@pytest.fixture
def github(tmp_path: Path, repository: Path) -> Path:
    """A folder with a repository for each action, tagged as the workflows use it."""
    for name in actions(repository):
        folder = tmp_path / "github" / name
        folder.mkdir(parents=True)
        (folder / "action.yml").write_text("name: action\n")
        updating.repository(folder, "An action")
        for tag in ("v1", "v4", "v5", "v6", "v6.1.0", "latest"):
            updating.git(folder, "tag", tag)
    return tmp_path / "github"


def freshen(
    repository: Path, index: Index, github: Path, *options: str, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run the command where nothing but the tests' own index and GitHub can be reached."""
    environment: Mapping[str, str] = {
        **os.environ,
        **{"UV_NO_INDEX": "1", "UV_FIND_LINKS": str(index.folder), "UV_NO_CACHE": "1"},
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{github}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
        **env,
    }
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "freshen.py", f"--root={repository}", *options],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


def texts(repository: Path) -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in files(repository)}


@pytest.mark.parametrize(
    ("spec", "newest", "expected"),
    [
        ("==1.85.1", "1.86.0", "==1.86.0"),
        ("==1.85.1", "1.85.0", "==1.85.1"),
        (">=0.28,<1", "0.99", ">=0.28,<1"),
        (">=0.28,<1", "1.0", ">=0.28,<2"),
        (">=8.4,<10", "12.1.3", ">=8.4,<13"),
        (">=0.23,<0.24", "0.29.3", ">=0.23,<0.30"),
        (">=0.23,<0.24", "1.0", ">=0.23,<1.1"),
        (">=24.1", "30", ">=24.1"),
        ("!=1.5,<=2", "3", "!=1.5,<=2"),
    ],
)
def test_exact_pins_follow_and_limits_give_way(spec: str, newest: str, expected: str) -> None:
    assert moved(spec, Version(newest)) == expected


def test_fresh_pins_stay(repository: Path, index: Index, github: Path) -> None:
    before = texts(repository)
    changelog = (repository / "CHANGELOG.md").read_text()
    done = freshen(repository, index, github, "--without-actions")
    assert (done.stdout, done.returncode) == (
        "Every pin is at its newest release.\n",
        0,
    ), done.stderr
    assert texts(repository) == before
    assert (repository / "CHANGELOG.md").read_text() == changelog


def test_a_check_says_what_is_old_and_changes_nothing(
    repository: Path, index: Index, github: Path
) -> None:
    index.release("ruff", "99.1")
    before = texts(repository)
    done = freshen(repository, index, github, "--check", "--without-actions")
    assert done.returncode == 1
    assert done.stdout.startswith("ruff: ==")
    assert done.stdout.endswith(" -> ==99.1\n")
    assert texts(repository) == before


def test_a_tool_moves_wherever_it_is_pinned(repository: Path, index: Index, github: Path) -> None:
    index.release("ruff", "99.1")
    index.release("pre-commit-hooks", "98.0")
    assert freshen(repository, index, github, "--without-actions").returncode == 0
    found = requirements(repository)
    assert (found["ruff"], found["pre-commit-hooks"]) == ({"==99.1"}, {"==98.0"})
    hooks = (repository / TEMPLATE / ".pre-commit-config.yaml").read_text()
    assert '"ruff==99.1"' in hooks


def test_what_recipes_add_to_a_project_moves_too(
    repository: Path, index: Index, github: Path
) -> None:
    index.release("redis", "98.1")
    index.release("httpx", "97.0")
    done = freshen(repository, index, github, "--without-actions")
    assert done.returncode == 0, done.stderr
    recipes = repository / TEMPLATE / "docs" / "recipes"
    assert '+    "redis>=5.2,<99",\n' in (recipes / "redis-cache.md").read_text()
    # The recipe's is the one of the tests, which stands in pyproject.toml.
    assert requirements(repository)["httpx"] == {">=0.28,<98"}
    assert "`redis` >=5.2,<9 → >=5.2,<99" in (repository / "CHANGELOG.md").read_text()


def test_grpc_moves_as_one_and_protobuf_within_what_it_generates_for(
    repository: Path, index: Index, github: Path
) -> None:
    index.grpc("97.2", generates_for="50.1.0")
    for version in ("50.0.0", "50.1.0", "50.3.1", "51.0.0"):
        index.release("protobuf", version)
    # One part of the next version is not there yet.
    index.release("grpcio", "97.3")
    index.compiler("97.3", generates_for="51.0.0")
    done = freshen(repository, index, github, "--without-actions")
    assert done.returncode == 0, done.stderr
    found = requirements(repository)
    exact = {
        name: {spec for spec in specs if "==" in spec}
        for name, specs in found.items()
        if name.startswith("grpcio")
    }
    assert set(map(frozenset, exact.values())) == {frozenset({"==97.2"})}
    assert found["protobuf"] == {"==50.3.1"}


def test_the_engine_moves_with_its_framework_alone(
    repository: Path, index: Index, github: Path
) -> None:
    index.release("lilya", "0.98.1")
    assert freshen(repository, index, github, "--check", "--without-actions").returncode == 0
    index.release("lilya", "0.99.0")
    index.release("esmerald", "3.99.0", "lilya>=0.98,<0.99")
    done = freshen(repository, index, github, "--without-actions")
    assert done.returncode == 0, done.stderr
    for folder in (repository, repository / TEMPLATE):
        text = (folder / "pyproject.toml").read_text()
        assert '"esmerald>=3.99.0,<4"' in text
        assert '"lilya>=0.98,<0.99"' in text


def test_actions_move_to_their_newest_major_version(
    repository: Path, index: Index, github: Path
) -> None:
    checkout = github / "actions" / "checkout"
    updating.git(checkout, "tag", "--annotate", "--message", "The newest", "v77")
    commit = updating.git(checkout, "rev-parse", "HEAD").strip()
    done = freshen(repository, index, github)
    assert done.returncode == 0, done.stderr
    assert "actions/checkout: v5 -> v77\n" in done.stdout
    workflows = [path for path in files(repository) if path.parent.name == "workflows"]
    assert len(workflows) > 1
    for workflow in workflows:
        assert f"actions/checkout@{commit} # v77\n" in workflow.read_text()


def test_every_action_is_pinned_to_a_commit() -> None:
    for workflow in (path for path in files(ROOT) if path.parent.name == "workflows"):
        text = workflow.read_text(encoding="utf-8")
        assert text.count("uses: ") == len(ACTION.findall(text)), workflow.name


def test_the_changelog_says_what_projects_get(repository: Path, index: Index, github: Path) -> None:
    index.release("ruff", "99.1")
    index.release("cruft", "99.0")
    assert freshen(repository, index, github, "--without-actions").returncode == 0
    text = (repository / "CHANGELOG.md").read_text()
    unreleased = text.partition("\n## Unreleased\n")[2].partition("\n## ")[0]
    assert "- Newer versions: `ruff` " in unreleased
    assert "→ 99.1." in unreleased
    assert "cruft" not in unreleased.splitlines()[-1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# C\n\n## 1\n\n- One.\n", "# C\n\n## Unreleased\n\n{}\n\n## 1\n\n- One.\n"),
        (
            "# C\n\n## Unreleased\n\n- Two.\n\n## 1\n\n- One.\n",
            "# C\n\n## Unreleased\n\n- Two.\n{}\n\n## 1\n\n- One.\n",
        ),
        ("# C\n\n## Unreleased\n\n- Two.\n", "# C\n\n## Unreleased\n\n- Two.\n{}\n"),
    ],
)
def test_the_entry_stands_below_unreleased(before: str, after: str) -> None:
    change = Change("ruff", "==1", "==2", generated=True)
    entry = "- Newer versions: `ruff` 1 → 2."
    assert with_entry(before, [change]) == after.format(entry)
    assert with_entry(before, [Change("uv", "<1", "<2", generated=False)]) == before


@pytest.mark.parametrize("missing", ["index", "github"])
def test_without_an_answer_nothing_changes(
    missing: str, repository: Path, index: Index, github: Path
) -> None:
    before = texts(repository)
    shutil.rmtree(index.folder if missing == "index" else github / "actions")
    done = freshen(repository, index, github)
    assert done.returncode == 2
    assert done.stderr.startswith("Nothing was changed: ")
    assert "Traceback" not in done.stderr
    assert texts(repository) == before


def test_the_index_of_pip_is_asked_where_uv_has_none(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "freshen.py", f"--root={repository}", "--check"],
        env={**os.environ, "PIP_INDEX_URL": f"file://{tmp_path}/nothing", "UV_NO_CACHE": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 2
    assert "not found in the package registry" in " ".join(done.stderr.split())

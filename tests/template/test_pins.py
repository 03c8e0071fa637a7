"""Versions that must move together are the same wherever they are written."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from baking import CHOICES, LIBRARY, ROOT, bake
from packaging.version import Version
from pins import ACTION, files, requirements

PIN = re.compile(r"^([A-Za-z0-9_-]+)==([\w.]+)$")


def pins(requirements: list[object]) -> dict[str, str]:
    """The exact versions among requirements."""
    found = (PIN.match(line) for line in requirements if isinstance(line, str))
    return {match[1]: match[2] for match in found if match}


def test_compiler_and_runtime_have_one_version(generated: Path) -> None:
    pyproject = tomllib.loads((generated / "pyproject.toml").read_text(encoding="utf-8"))
    compiler = pins(pyproject["build-system"]["requires"])
    runtime = pins(pyproject["project"]["dependencies"])
    grpc = {version for name, version in (compiler | runtime).items() if name.startswith("grpcio")}
    assert grpc == {compiler["grpcio-tools"]}


def test_protobuf_is_what_the_stubs_are_for(generated: Path) -> None:
    pyproject = tomllib.loads((generated / "pyproject.toml").read_text(encoding="utf-8"))
    runtime = Version(pins(pyproject["project"]["dependencies"])["protobuf"])
    stub = (generated / "src/greeter_service/v1/greeter_pb2.py").read_text(encoding="utf-8")
    made_for = re.search(r"^# Protobuf Python Version: (\S+)$", stub, re.MULTILINE)
    assert made_for
    # A runtime takes stubs of its own major version that are not newer than itself.
    assert Version(made_for[1]).major == runtime.major
    assert Version(made_for[1]) <= runtime


def test_hooks_and_nox_use_the_same_tools(generated: Path) -> None:
    pyproject = tomllib.loads((generated / "pyproject.toml").read_text(encoding="utf-8"))
    groups = pyproject["dependency-groups"]
    config = yaml.safe_load((generated / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = {
        name: version
        for hook in config["repos"][0]["hooks"]
        for name, version in pins(hook["additional_dependencies"]).items()
    }
    assert hooks["ruff"] == pins(groups["lint"])["ruff"]
    assert set(hooks) == {"ruff", "pre-commit-hooks", "nox"}


@pytest.mark.parametrize("framework", CHOICES["framework"])
def test_this_repository_tests_with_the_versions_that_it_generates(
    framework: str, template: Path, tmp_path: Path
) -> None:
    project = bake(template, tmp_path, {"framework": framework})
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    theirs = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    library, groups = ours["project"], ours["dependency-groups"]
    extras = library["optional-dependencies"]
    assert theirs["project"]["dependencies"] == [*extras[framework], *library["dependencies"]]
    for extra, lines in theirs["project"]["optional-dependencies"].items():
        assert lines == extras[extra]
    assert groups[framework] == extras[framework]
    assert groups["runtime"] == library["dependencies"]
    assert groups["lint"] == theirs["dependency-groups"]["lint"]
    assert all(buf in groups["checks"] for buf in theirs["dependency-groups"]["protolint"])
    tested = [*groups["checks"], *groups["runtime"]]
    assert all(line in tested for line in theirs["build-system"]["requires"])


def test_a_project_depends_on_the_version_of_the_library_that_it_was_made_with(
    template: Path, tmp_path: Path
) -> None:
    project = bake(template, tmp_path, {"library": "dependency"})
    version = (LIBRARY / "VERSION").read_text(encoding="utf-8").splitlines()[0]
    pyproject = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    assert pyproject["project"]["dependencies"] == [f"polyrpc[esmerald]=={version}"]
    extras = pyproject["project"]["optional-dependencies"]
    assert all(lines == [f"polyrpc[{name}]=={version}"] for name, lines in extras.items())
    assert f"polyrpc=={version}" in pyproject["build-system"]["requires"]


def test_an_exact_pin_is_the_same_wherever_it_stands() -> None:
    exact = {
        name: {spec for spec in specs if spec.startswith("==")}
        for name, specs in requirements(ROOT).items()
    }
    assert {name: specs for name, specs in exact.items() if len(specs) > 1} == {}
    assert len([name for name, specs in exact.items() if specs]) > 8


def test_an_action_has_one_version_in_all_workflows() -> None:
    used: dict[str, set[str]] = {}
    for path in files(ROOT):
        for match in ACTION.finditer(path.read_text(encoding="utf-8")):
            used.setdefault(match["name"], set()).add(match["major"])
    assert used
    assert {name: majors for name, majors in used.items() if len(majors) > 1} == {}

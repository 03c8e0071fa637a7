"""Versions that must move together are the same wherever they are written."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

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
    assert runtime["protobuf"]


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


def test_this_repository_tests_with_the_versions_that_it_generates(generated: Path) -> None:
    ours = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    theirs = tomllib.loads((generated / "pyproject.toml").read_text(encoding="utf-8"))
    runtime = set(ours["dependency-groups"]["runtime"])
    assert set(theirs["project"]["dependencies"]) <= runtime
    assert ours["dependency-groups"]["lint"] == theirs["dependency-groups"]["lint"]
    (buf,) = theirs["dependency-groups"]["protolint"]
    assert buf in ours["dependency-groups"]["test"]

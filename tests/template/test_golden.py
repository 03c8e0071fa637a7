"""The template renders what tests/golden/ shows: a reviewer sees what a change does to users.

`nox -s golden` writes it anew.
"""

from __future__ import annotations

import difflib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from baking import ROOT, bake, files, is_build_product

GOLDEN = ROOT / "tests" / "golden"
REFRESH = os.environ.get("GOLDEN") == "refresh"
# The same names as in the default project: the choices are what differs.
UNLIKE = {
    "compose-gitlab": {"license": "BSD-3-Clause", "deployment": "compose", "ci": "gitlab"},
    "bare": {
        "license": "Proprietary",
        "deployment": "none",
        "ci": "none",
        "framework": "ravyn",
    },
}


def rendered(template: Path, output: Path, answers: Mapping[str, str]) -> dict[str, str]:
    """The files of a project, without what is compiled or copied as it stands."""
    project = bake(template, output, answers)
    return {
        name: content.decode("utf-8")
        for name, content in files(project).items()
        if not is_build_product(name) and "/_vendor/" not in name
    }


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    """A unified diff; of a file that is gone, the name alone."""
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield f"removed: {name}\n"
            continue
        before, after = (tree.get(name, "").splitlines(keepends=True) for tree in (old, new))
        source = f"a/{name}" if name in old else "/dev/null"
        yield from difflib.unified_diff(before, after, source, f"b/{name}", n=1)


@pytest.fixture(scope="module")
def default(template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The default project."""
    return rendered(template, tmp_path_factory.mktemp("default"), {})


@pytest.mark.xdist_group("golden")
def test_the_default_project_is_the_golden_one(default: dict[str, str]) -> None:
    folder = GOLDEN / "default"
    if REFRESH:
        shutil.rmtree(folder, ignore_errors=True)
        for name, text in default.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
    golden = {name: content.decode("utf-8") for name, content in files(folder).items()}
    assert golden.keys() == default.keys(), "`nox -s golden` writes tests/golden/ anew."
    assert "".join(differences(golden, default)) == "", "`nox -s golden` writes it anew."


@pytest.mark.xdist_group("golden")
@pytest.mark.parametrize("name", UNLIKE)
def test_an_unlike_project_differs_from_it_as_the_golden_one_does(
    name: str, default: dict[str, str], template: Path, tmp_path: Path
) -> None:
    diff = "".join(differences(default, rendered(template, tmp_path, UNLIKE[name])))
    path = GOLDEN / f"{name}.diff"
    if REFRESH:
        path.write_text(diff, encoding="utf-8", newline="\n")
    assert path.read_text(encoding="utf-8") == diff, "`nox -s golden` writes it anew."

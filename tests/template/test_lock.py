"""`nox -s lock`: every version, with hashes, and whether they fit what is asked for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from baking import bake
from commands import polyrpc, refused

LOCK = "requirements.lock"


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    return bake(template, tmp_path)


def change(project: Path, old: str, new: str) -> None:
    path = project / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.full
def test_all_that_is_installed_is_locked_with_hashes_and_stays_as_it_is(project: Path) -> None:
    assert polyrpc(project, "release.lock") == f"{LOCK} fits pyproject.toml.\n"
    text = (project / LOCK).read_text(encoding="utf-8")
    entries = re.split(r"^(?=\S)", text, flags=re.MULTILINE)
    locked = {entry.partition("==")[0]: entry for entry in entries if "==" in entry}
    assert all("--hash=sha256:" in entry for entry in locked.values())
    # The service's own, those of extras, of groups, and what only some systems need.
    assert {"esmerald", "protovalidate", "pytest", "watchfiles", "uv", "uvloop"} <= locked.keys()
    assert "sys_platform" in locked["uvloop"]
    assert polyrpc(project, "release.lock", "--check") == f"{LOCK} fits pyproject.toml.\n"

    # What still fits stays; it is moved when that is asked for.
    change(project, '"orjson>=3.9.15,<4"', '"orjson>=3.9.15,<3.11"')
    assert refused(project, "release.lock", "--check") == (
        f"{LOCK} does not fit pyproject.toml, which asks for orjson<3.11,>=3.9.15: it has "
        f"{locked['orjson'].partition('==')[2].split()[0]}. `nox -s lock` writes it anew."
    )
    polyrpc(project, "release.lock")
    older = re.search(r"^orjson==(\S+)", (project / LOCK).read_text("utf-8"), re.MULTILINE)
    change(project, '"orjson>=3.9.15,<3.11"', '"orjson>=3.9.15,<4"')
    polyrpc(project, "release.lock")
    assert older
    assert f"orjson=={older[1]} " in (project / LOCK).read_text("utf-8")
    polyrpc(project, "release.lock", "--upgrade")
    assert f"orjson=={older[1]} " not in (project / LOCK).read_text("utf-8")

    # What nothing satisfies leaves it as it was.
    before = (project / LOCK).read_text("utf-8")
    change(project, '"orjson>=3.9.15,<4"', '"orjson>=3.9,<3.9"')
    assert refused(project, "release.lock").startswith(f"{LOCK} was not written: ")
    assert (project / LOCK).read_text("utf-8") == before


def test_a_lock_is_compared_without_a_network(project: Path) -> None:
    assert polyrpc(project, "release.lock", "--check").startswith(f"There is no {LOCK}")
    asked = (project / "pyproject.toml").read_text(encoding="utf-8")
    named = re.search(r'"orjson(.*?)"', asked)
    assert named
    (project / LOCK).write_text("orjson==3.11.4 \\\n    --hash=sha256:00\n", encoding="utf-8")
    line = refused(project, "release.lock", "--check")
    assert "it has none" in line
    assert "orjson" not in line

"""What the template and its projects must not assume of the system that they are used on."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest
from baking import CHOICES, TEMPLATE, bake, files

DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
LONGEST_PATH = 160  # Windows has 260 characters for a path, which begins with somebody's folder.


def check_name(name: str) -> None:
    """Fail where Windows could not hold a file of this name."""
    assert len(name) <= LONGEST_PATH, name
    for part in PurePosixPath(name).parts:
        assert not re.search(r'[<>:"|?*\\]', part), name
        assert not part.endswith((".", " ")), name
        assert not DEVICES.fullmatch(part), name


def test_every_file_of_the_template_can_be_checked_out_on_windows(template: Path) -> None:
    for name in files(template):
        check_name(name)


@pytest.mark.parametrize("framework", CHOICES["framework"])
def test_every_file_of_a_project_can_be_checked_out_on_windows(
    framework: str, template: Path, tmp_path: Path
) -> None:
    names = list(files(bake(template, tmp_path, {"framework": framework})))
    for name in names:
        check_name(name)
    # Its file systems take names for the same that differ in case alone; so does macOS.
    assert len({name.lower() for name in names}) == len(names)


def test_line_ends_are_the_same_everywhere(template: Path, tmp_path: Path) -> None:
    projects = [template / TEMPLATE, bake(template, tmp_path)]
    for project in projects:
        attributes = (project / ".gitattributes").read_text(encoding="utf-8")
        assert "* text=auto eol=lf" in attributes.splitlines()
        assert all(b"\r" not in content for content in files(project).values())

"""What holds for every generated project, whatever was answered."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path, PurePath

import yaml
from baking import files, is_build_product


def check_project(project: Path) -> None:
    """Fail with the file's name where one is not as a person would have left it."""
    check_files(project)
    ruff(project, "check")
    ruff(project, "format", "--check")


def check_files(project: Path) -> None:
    """Check every source file for itself."""
    for name, content in files(project).items():
        if not is_build_product(name):
            check_text(name, content.decode("utf-8"))


def check_text(name: str, text: str) -> None:
    """Check one source file: its syntax, its line ends, and that no template is left in it."""
    assert "\r" not in text, f"{name}: carriage return"
    assert not re.search(r"[ \t]$", text, re.MULTILINE), f"{name}: trailing whitespace"
    # Only markers (py.typed) are empty.
    assert not text or re.search(r"[^\n]\n\Z", text), f"{name}: does not end in one newline"
    assert "cookiecutter" not in text.lower(), f"{name}: speaks of cookiecutter"
    # The library is copied, not rendered: braces in it are its own.
    if "/_vendor/" not in name:
        assert not re.search(r"\{%|%\}|(?<!\$)\{\{ ", text), f"{name}: has Jinja in it"
    check_syntax(name, text)


def check_syntax(name: str, text: str) -> None:
    """Parse one source file, if it is of a language that is parsed."""
    try:
        _parse(PurePath(name).suffix, text)
    except (SyntaxError, ValueError, yaml.YAMLError) as error:
        raise AssertionError(f"{name}: {error}") from error


@cache
def _parse(suffix: str, text: str) -> None:
    # Most files are the same in every project: the library's are more than half of them.
    match suffix:
        case ".py":
            ast.parse(text)
        case ".toml":
            tomllib.loads(text)
        case ".yaml" | ".yml":
            if not list(yaml.safe_load_all(text)):
                raise ValueError("is empty")


def ruff(project: Path, *arguments: str) -> None:
    """Run ruff with the project's own configuration."""
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *arguments, "--no-cache", "."],
        cwd=project,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr

"""Insertions into files that people have written: located by syntax tree, never in a line."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ..build.hatch import run
from .sources import RefusedError


def parse(path: Path, text: str) -> ast.Module:
    """Parse a file of the project.

    Raises:
        RefusedError: It is no Python.
    """
    try:
        return ast.parse(text)
    except SyntaxError as error:
        raise RefusedError(f"{path}:{error.lineno} is no Python: mend it first.") from None


def imported_names(tree: ast.Module, package: str) -> dict[str, str]:
    """What a module calls the things that it imports, by their absolute names.

    Args:
        tree: The module.
        package: The package that it is in, which its relative imports start from.
    """
    names = {}
    for node in tree.body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.name] = alias.asname or alias.name
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = [*(parents if node.level else []), *([node.module] if node.module else [])]
            for alias in node.names:
                names[".".join([*base, alias.name])] = alias.asname or alias.name
    return names


def find_list(tree: ast.Module, name: str) -> ast.List | None:
    """Return the list that a module assigns to `name`."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=targets, value=ast.List() as value):
                names = map(ast.unparse, targets)
            case ast.AnnAssign(target=target, value=ast.List() as value):
                names = map(ast.unparse, [target])
            case _:
                continue
        if name in names:
            return value
    return None


def into_list(path: Path, text: str, name: str, entries: Sequence[str]) -> str:
    """Add lines at the end of the list that is assigned to `name`.

    Raises:
        RefusedError: There is no such list, or its bracket does not close on a line of its own.
    """
    found = find_list(parse(path, text), name)
    lines = text.splitlines(keepends=True)
    if found and found.end_lineno and found.end_col_offset:
        at = found.end_lineno - 1
        before = found.elts[-1] if found.elts else None
        # What stands between the last entry and the bracket: a comma, perhaps comments.
        between = [line.partition("#")[0] for line in lines[(before or found).lineno - 1 : at]]
        closed = before is None or "".join(between).rstrip().endswith(",")
        if lines[at].strip().startswith("]") and closed:
            indent = " " * (len(lines[at]) - len(lines[at].lstrip()) + 4)
            return "".join([*lines[:at], *(f"{indent}{one}\n" for one in entries), *lines[at:]])
    raise RefusedError(
        f"{path}: add {' '.join(entries)} to the list {name} yourself; it is not a list with an "
        "entry a line."
    )


def into_imports(path: Path, text: str, imports: Sequence[str]) -> str:
    """Add import lines after the last import; `tidy` then sorts them in."""
    tree = parse(path, text)
    last = 0
    for node in tree.body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.Import | ast.ImportFrom) or (docstring and not last):
            last = node.end_lineno or last
    lines = text.splitlines(keepends=True)
    return "".join([*lines[:last], *(f"{line}\n" for line in imports), *lines[last:]])


def into_class(path: Path, text: str, name: str, methods: str) -> str:
    """Add methods at the end of a class."""
    nodes = [node for node in parse(path, text).body if isinstance(node, ast.ClassDef)]
    end = next(node.end_lineno or 0 for node in nodes if node.name == name)
    lines = text.splitlines(keepends=True)
    return "".join([*lines[:end], "\n", methods, *lines[end:]])


def tidy(path: Path, text: str, before: str, root: Path, stubs: Path) -> str:
    """Sort the imports and format, unless that would change a line that was there before.

    Args:
        path: Where the text is going to be.
        text: The new text.
        before: The old text; empty for a new file.
        root: The project, for its rules.
        stubs: A folder of all stubs that there are going to be: they are first-party.

    Raises:
        RefusedError: ruff cannot read the text.
    """
    tidied = text
    for task in (["check", "--select=I", "--fix", "--exit-zero"], ["format"]):
        # Relative where it can be: ruff expands `$` in paths. A string of JSON is one of TOML.
        sources = json.dumps(["src", str(stubs)])
        command = [
            *(sys.executable, "-m", "ruff", *task, "--quiet", "--no-cache"),
            *("--config", f"src = {sources}", "--stdin-filename", str(path), "-"),
        ]
        done = run(command, input=tidied, cwd=root)
        if done.returncode:
            raise RefusedError(f"{path}: {done.stderr.strip().splitlines()[-1]}")
        tidied = done.stdout
    kept = iter(tidied.splitlines())
    return tidied if all(line in kept for line in before.splitlines()) else text

"""Where versions are written in this repository, and how a line takes a newer one. Asks nobody."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

PROJECT = "{{cookiecutter.project_slug}}"
# Not the library, which is of this repository.
REQUIREMENT = re.compile(
    r'"(?!polyrpc\b)(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<extras>\[[^]"]*\])?'
    r'(?P<spec>[<>=!~]=?[^";]*)(?P<marker>;[^"]*)?"'
)
# An action is named by its commit, which nobody can move, and its version stands beside.
ACTION = re.compile(
    r"\buses: (?P<name>[\w.-]+/[\w.-]+)(?P<folder>/[\w./-]*)?@(?P<commit>[0-9a-f]{40})"
    r" # v(?P<major>\d+)[\d.]*"
)
# A framework and what it runs on: a release of the one decides which releases of the other work.
FRAMEWORKS = {"esmerald": "lilya", "ravyn": "lilya"}


@dataclass(frozen=True)
class Change:
    """One version that moves, as it is written; `generated`: services get it."""

    name: str
    old: str
    new: str
    generated: bool


@dataclass(frozen=True)
class Newest:
    """What there is: releases by package, engines by framework, major and commit by action."""

    packages: Mapping[str, Version]
    engines: Mapping[str, Version]
    actions: Mapping[str, tuple[int, str]]


def files(root: Path) -> list[Path]:
    """Every file in which versions are pinned, of this repository and of the generated project."""
    found = []
    for folder in (root, root / PROJECT):
        found += [folder / "pyproject.toml", folder / ".pre-commit-config.yaml"]
        found += sorted((folder / ".github" / "workflows").iterdir())
    # What they have a team write into its pyproject.toml.
    return [*found, *sorted((root / PROJECT / "docs" / "recipes").glob("*.md"))]


def requirements(root: Path) -> dict[str, set[str]]:
    """The version specifiers of each package."""
    found: dict[str, set[str]] = {}
    for path in files(root):
        for match in REQUIREMENT.finditer(path.read_text(encoding="utf-8")):
            found.setdefault(match["name"], set()).add(match["spec"])
    return found


def actions(root: Path) -> set[str]:
    """The repositories of the actions that workflows use."""
    return {
        match["name"]
        for path in files(root)
        for match in ACTION.finditer(path.read_text(encoding="utf-8"))
    }


def floor(spec: str) -> Version:
    """The oldest version that a specifier allows: of `>=1.2,<2`, 1.2; without one, 0."""
    bounds = [clause[2:] for clause in spec.split(",") if clause.startswith((">=", "=="))]
    return Version(bounds[0] if bounds else "0")


def moved(spec: str, newest: Version) -> str:
    """A specifier that takes `newest`: exact pins follow it, limits give way, floors stay."""
    return ",".join(_moved_clause(clause, newest) for clause in spec.split(","))


def _moved_clause(clause: str, newest: Version) -> str:
    if clause.startswith("=="):
        return f"=={max(newest, Version(clause[2:]))}"
    if clause.startswith("<") and not clause.startswith("<=") and newest >= Version(clause[1:]):
        return f"<{_next(newest, len(Version(clause[1:]).release))}"
    return clause


def _next(version: Version, parts: int) -> str:
    """The limit above a version, of as many parts: 0.29.3 gives 0.30 of two, 1 of one."""
    release = [*version.release, 0][:parts]
    release[-1] += 1
    return ".".join(map(str, release))


def freshen(root: Path, newest: Newest, *, write: bool) -> list[Change]:
    """Let every line take the newest version; return what changes, each version once."""
    changes: dict[Change, None] = {}
    for path in files(root):
        text = path.read_text(encoding="utf-8")
        found: list[Change] = []
        fresh = ACTION.sub(_action(newest, found.append), text)
        fresh = REQUIREMENT.sub(_requirement(newest, found.append), fresh)
        generated = PROJECT in path.parts
        for change in found:
            changes[Change(change.name, change.old, change.new, generated)] = None
        if write and fresh != text:
            path.write_text(fresh, encoding="utf-8", newline="\n")
    return list(_once(changes))


def _once(changes: Mapping[Change, None]) -> Iterator[Change]:
    """Of a version that moves on both sides, the generated project's change alone."""
    for change in changes:
        if change.generated or Change(change.name, change.old, change.new, True) not in changes:
            yield change


def _action(newest: Newest, note: Callable[[Change], None]) -> Callable[[re.Match[str]], str]:
    def replace(match: re.Match[str]) -> str:
        major, commit = newest.actions.get(match["name"], (0, ""))
        if major <= int(match["major"]):
            return match[0]
        note(Change(match["name"], f"v{match['major']}", f"v{major}", False))
        return f"uses: {match['name']}{match['folder'] or ''}@{commit} # v{major}"

    return replace


def _requirement(newest: Newest, note: Callable[[Change], None]) -> Callable[[re.Match[str]], str]:
    framework = ""  # The engine's line follows its framework's.

    def replace(match: re.Match[str]) -> str:
        nonlocal framework
        name, spec = match["name"], match["spec"]
        version = newest.packages.get(name, Version("0"))
        fresh = moved(spec, version)
        if name in FRAMEWORKS:
            framework = name
            if name in newest.engines:
                fresh = re.sub(r">=[^,]+", f">={version}", fresh)
        elif name in FRAMEWORKS.values():
            # An older release of the framework was tested with the range that stands there.
            engine = newest.engines.get(framework)
            fresh = f">={engine.major}.{engine.minor},<{_next(engine, 2)}" if engine else spec
        if fresh != spec:
            note(Change(name, spec, fresh, False))
        return f'"{name}{match["extras"] or ""}{fresh}{match["marker"] or ""}"'

    return replace

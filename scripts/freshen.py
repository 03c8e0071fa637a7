"""Moves every pin of this repository to its newest release, and says so in the CHANGELOG.

`nox -s freshen` runs it and then all that could break; `nox -s freshen -- --check` only looks.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from pathlib import Path

import releases
from packaging.utils import canonicalize_name
from packaging.version import Version
from pins import FRAMEWORKS, Change, Newest, actions, floor, freshen, requirements

GRPC = "grpcio"
COMPILER = "grpcio-tools"
RUNTIME = "protobuf"


def main() -> int:
    """Exit status: 0 all is fresh or was made so, 1 `--check` found something, 2 no answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if pins are old"
    )
    parser.add_argument(
        "--without-actions", action="store_true", help="leave the actions of workflows as they are"
    )
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1])
    options = parser.parse_args()
    try:
        newest = find_newest(options.root, ask_github=not options.without_actions)
    except releases.NotFoundError as error:
        print(f"Nothing was changed: {error}", file=sys.stderr)
        return 2
    changes = freshen(options.root, newest, write=not options.check)
    for change in changes:
        print(f"{change.name}: {change.old} -> {change.new}")
    if not changes:
        print("Every pin is at its newest release.")
    elif not options.check:
        changelog = options.root / "CHANGELOG.md"
        text = changelog.read_text(encoding="utf-8")
        changelog.write_text(with_entry(text, changes), encoding="utf-8", newline="\n")
    return 1 if options.check and changes else 0


def find_newest(root: Path, *, ask_github: bool) -> Newest:
    """Ask for the newest release of all that is pinned or limited.

    What must fit together is asked for together: the parts of gRPC have one version, protobuf is of
    the major version that this compiler generates for, an engine is one that its framework takes.

    Raises:
        NotFoundError: Something could not be found out.
    """
    specs = requirements(root)
    limited = {name for name, found in specs.items() if any("==" in s or "<" in s for s in found)}
    grpc = {name for name in limited if name.startswith(GRPC)}
    alone = limited - grpc - {RUNTIME, *FRAMEWORKS.values()}
    found = releases.newest(alone)
    packages = {name: found[canonicalize_name(name)] for name in alone}

    version = releases.newest_of_all(grpc, COMPILER)
    packages |= dict.fromkeys(grpc, version)
    generated = releases.generated_for(version)
    runtime = f"{RUNTIME}>={generated},<{generated.major + 1}"
    packages |= releases.newest([runtime])

    engines: dict[str, Version] = {}
    for framework, engine in FRAMEWORKS.items():
        if framework in packages and packages[framework] > max(map(floor, specs[framework])):
            release = f"{framework}=={packages[framework]}"
            engines[framework] = releases.newest([release], dependencies=True)[engine]
    newest = {name: releases.newest_major(name) for name in actions(root)} if ask_github else {}
    return Newest(packages, engines, newest)


def with_entry(changelog: str, changes: list[Change]) -> str:
    """The CHANGELOG with a line on what generated projects get, below `## Unreleased`."""
    moves = [f"`{c.name}` {c.old} → {c.new}".replace("==", "") for c in changes if c.generated]
    if not moves:
        return changelog
    if "\n## Unreleased\n" not in changelog:
        changelog = changelog.replace("\n## ", "\n## Unreleased\n\n## ", 1)
    before, heading, after = changelog.partition("\n## Unreleased\n")
    section, next_heading, rest = after.partition("\n## ")
    entry = textwrap.fill(
        f"- Newer versions: {', '.join(moves)}.",
        width=125,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    entries = f"{section.rstrip()}\n{entry}\n" if section.strip() else f"\n{entry}\n"
    return before + heading + entries + next_heading + rest


if __name__ == "__main__":
    sys.exit(main())

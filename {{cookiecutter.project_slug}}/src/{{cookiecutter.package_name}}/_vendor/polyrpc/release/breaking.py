"""Says whom the changes of protos/ break: `nox -s breaking -- REVISION`."""

from __future__ import annotations

import argparse
import io
import json
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..scaffold.buf import buf
from ..scaffold.sources import RefusedError, described

# What a caller meets who knows nothing of the change; the first that holds is said.
EVERYONE = "breaks callers that have the older stubs, over every protocol"
JSON = "breaks callers of HTTP/JSON; binary messages stay readable"
CODE = "breaks code that is compiled against the newer stubs; older stubs go on working"
# Categories of https://buf.build/docs/breaking/rules/ that find fewer and fewer changes. They know
# of messages alone: what becomes of RPCs that are gone is left to the strictest.
ON_THE_WIRE, IN_JSON = "WIRE", "WIRE_JSON"
OF_RPCS = ("RPC_", "SERVICE_", "PACKAGE_SERVICE_", "FILE_SAME_PACKAGE")


def main() -> None:
    """Print a line for each change that breaks somebody; the exit status is 1 if there is one."""
    parser = argparse.ArgumentParser(prog="nox -s breaking --", description=__doc__)
    parser.add_argument("revision", help="of git, to compare protos/ with: main, a tag, HEAD~1")
    revision = parser.parse_args().revision
    try:
        problems = list(breaking_changes(Path.cwd(), revision))
    except RefusedError as error:
        sys.exit(str(error))
    print(*problems, sep="\n", end="\n" if problems else "")
    if problems:
        sys.exit(f"Breaking since {revision}: {len(problems)}. Add beside what is there instead.")
    print(f"No change since {revision} breaks anybody.")


def breaking_changes(root: Path, revision: str) -> Iterator[str]:
    """Compare the protos of a project, as they lie there, with those of a revision.

    What counts is what `breaking` in buf.yaml uses; without that section buf's default.

    Yields:
        A line about each change: where, what, and whom it breaks.

    Raises:
        RefusedError: There is nothing to compare with, or the protos of either do not compile.
    """
    with tempfile.TemporaryDirectory(prefix="breaking-") as folder:
        before, old, new = (Path(folder, name) for name in ("before", "old.binpb", "new.binpb"))
        _take_out(root, revision, before)
        if not any((before / "protos").rglob("*.proto")):
            return
        try:
            described(before / "protos", old)
        except RefusedError as error:
            raise RefusedError(f"The protos of {revision} do not compile: {error}") from None
        described(root / "protos", new)
        compare = ("breaking", str(new), "--against", str(old), "--exclude-imports")
        changes = buf(root, *compare)
        if not changes:
            return
        wire, in_json = (
            {_place(one) for one in buf(root, *compare, "--config", _only(category))}
            for category in (ON_THE_WIRE, IN_JSON)
        )
        for change in changes:
            yield f"{_where(change)}{change['message']} It {_whom(change, wire, in_json)}."


def _take_out(root: Path, revision: str, target: Path) -> None:
    """Write a project as it was to a folder."""
    if _git(root, "rev-parse", "--is-inside-work-tree").stdout.strip() != b"true":
        raise RefusedError(f"{root.name} is in no git repository: there is no {revision} in it.")
    named = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    commit = _git(root, *named).stdout.decode().strip()
    if not commit:
        raise RefusedError(
            f"{revision} is no revision of this repository: `git branch --all` lists its branches, "
            "`git fetch` brings others."
        )
    # From within a folder of a repository, git takes that folder alone.
    archive = _git(root, "archive", "--format=zip", commit)
    if archive.returncode:
        raise RefusedError(f"git archive: {archive.stderr.decode(errors='replace').strip()}")
    # Of a zip file Python writes nothing outside of the folder, and makes no links. Of a tar file
    # only 3.11.4 and later can be told so.
    with zipfile.ZipFile(io.BytesIO(archive.stdout)) as files:
        protos = [one for one in files.infolist() if one.filename.startswith("protos/")]
        files.extractall(target, [one for one in protos if not _is_link(one)])


def _is_link(one: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(one.external_attr >> 16)


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        # S603, S607: whichever git its user has; the revision is an argument, no shell sees it.
        return subprocess.run(["git", *arguments], cwd=root, capture_output=True)  # noqa: S603, S607 - our own command
    except FileNotFoundError:
        raise RefusedError("git is not installed here: it has what protos/ was.") from None


def _only(category: str) -> str:
    return json.dumps({"version": "v2", "breaking": {"use": [category]}})


def _place(change: dict[str, Any]) -> tuple[Any, ...]:
    return change.get("path"), change.get("start_line")


def _where(change: dict[str, Any]) -> str:
    path, line = change.get("path"), change.get("start_line")
    return f"protos/{path}:{line}: " if path else ""


def _whom(change: dict[str, Any], wire: set[Any], in_json: set[Any]) -> str:
    if change["type"].startswith(OF_RPCS) or _place(change) in wire:
        return EVERYONE
    return JSON if _place(change) in in_json else CODE


if __name__ == "__main__":
    main()

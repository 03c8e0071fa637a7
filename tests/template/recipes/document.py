"""A recipe's document: its blocks are files of the project, changes in them, or commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"^`([\w./-]+)`[^\n]*(?:\n[^\n]+)*:\n\n$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One block of code.

    Attributes:
        path: The file that it is, or changes; empty: it is neither.
        kind: What stands behind its fence.
        text: What stands in it.
    """

    path: str
    kind: str
    text: str

    def code(self) -> list[str]:
        """The lines of code that the team writes, without blank ones, imports and comments."""
        lines = self.text.splitlines()
        if self.kind == "diff":
            lines = [line[1:] for line in lines if line.startswith("+")]
        no_code = ("import", "from", '"""', "#")
        return [line for line in lines if line.strip() and not line.strip().startswith(no_code)]

    def apply(self, project: Path) -> None:
        """Writes the file, or changes it."""
        file = project / self.path
        if self.kind != "diff":
            assert not file.exists(), f"{self.path} is there already"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self.text, encoding="utf-8")
            return
        text = file.read_text(encoding="utf-8")
        for hunk in re.split(r"^@@\n", self.text, flags=re.MULTILINE):
            text = changed(text, hunk, self.path)
        file.write_text(text, encoding="utf-8")


def changed(text: str, hunk: str, path: str) -> str:
    """Applies one hunk, whose old lines must stand in the text once."""
    lines = hunk.splitlines()
    assert all(line[:1] in ("+", "-", " ", "") for line in lines), f"{path}: {hunk}"
    old = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
    new = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("-"))
    found = [match.start() for match in re.finditer(f"^{re.escape(old)}", text, re.MULTILINE)]
    assert len(found) == 1, f"{path} has these lines {len(found)} times:\n{old}"
    return text[: found[0]] + new + text[found[0] + len(old) :]


def blocks(document: Path) -> Iterator[Block]:
    """The blocks of a document, in their order."""
    text = document.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        paragraph = text[: match.start()].rpartition("\n\n")[0].rpartition("\n\n")[2]
        before = text[text.rindex(paragraph, 0, match.start()) : match.start()]
        named = NAMED.fullmatch(before)
        yield Block(named[1] if named else "", match[1], match[2])


def requirements(documents: Iterator[Path]) -> list[str]:
    """What the documents add to the dependencies of a project."""
    added = [
        block.text for path in documents for block in blocks(path) if block.path == "pyproject.toml"
    ]
    return sorted(set(re.findall(r'^\+ +"([^"]+)",$', "\n".join(added), re.MULTILINE)))

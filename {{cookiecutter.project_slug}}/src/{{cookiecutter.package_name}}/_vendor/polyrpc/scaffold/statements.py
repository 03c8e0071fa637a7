"""The statements `package` and `import` of a .proto, read and rewritten where they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

# Comments, strings, words, and what else is no white space. Bytes that are not ASCII (a byte order
# mark, say) mean something in comments and strings alone.
TOKEN = re.compile(
    rb"""//[^\n]* | /\*.*?\*/ | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | \w+ | [!-~]""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Import:
    """An import: the path in it, and where its quotes begin and end."""

    path: str
    start: int
    end: int


def imports_of(proto: bytes) -> list[Import]:
    """List the imports of a proto, `public` and `weak` ones too."""
    found = []
    for statement in _statements(proto):
        words = [token[0] for token in statement]
        if words[0] == b"import" and len(words) > 1 and words[-1][:1] in b"\"'":
            strings = [token for token in statement if token[0][:1] in b"\"'"]
            path = b"".join(token[0][1:-1] for token in strings).decode("utf-8", "replace")
            found.append(Import(path, strings[0].start(), strings[-1].end()))
    return found


def package_of(proto: bytes) -> str:
    """Return the package of a proto; an empty string if it has none."""
    for statement in _statements(proto):
        first, *rest = (token[0] for token in statement)
        if first == b"package":
            return b"".join(rest).decode("utf-8", "replace")
    return ""


def with_imports(proto: bytes, paths: Mapping[str, str]) -> bytes:
    """Return a proto that imports `paths[path]` where it imports `path`; all else stays."""
    for one in reversed(imports_of(proto)):
        if paths.get(one.path, one.path) != one.path:
            quoted = f'"{paths[one.path]}"'.encode()
            proto = proto[: one.start] + quoted + proto[one.end :]
    return proto


def _statements(proto: bytes) -> Iterator[list[re.Match[bytes]]]:
    """Yield the tokens of each statement that stands outside of braces."""
    depth = 0
    tokens: list[re.Match[bytes]] = []
    for token in TOKEN.finditer(proto):
        if token[0].startswith((b"//", b"/*")):
            continue
        if token[0] in b"{};":
            if token[0] == b";" and not depth and tokens:
                yield tokens
            depth += {b"{": 1, b"}": -1}.get(token[0], 0)
            tokens = []
        elif not depth:
            tokens.append(token)

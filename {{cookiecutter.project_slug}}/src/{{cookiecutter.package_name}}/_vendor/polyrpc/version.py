"""The version of this library, and whether it is as it was released.

`VERSION` beside this file holds both: the version, and a digest of the library's files. The release
writes it, by `python -m polyrpc.version`.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

LIBRARY = Path(__file__).parent
RECORD = LIBRARY / "VERSION"


def version() -> str:
    """The version, such as `0.2.0`."""
    return _recorded()[0]


def changes() -> str:
    """Says in one sentence what was changed by hand; empty: nothing."""
    _, recorded = _recorded()
    current = digests(LIBRARY)
    changed = [name for name in sorted(current) if recorded.get(name) != current[name]]
    changed += [f"{name} (gone)" for name in sorted(recorded.keys() - current.keys())]
    folder = LIBRARY.parent
    if folder.name == "_vendor":
        strangers = (path for path in folder.iterdir() if path.name not in _BESIDE)
        changed += sorted(f"../{path.name}" for path in strangers)
    if not changed:
        return ""
    return (
        f"{folder.name}/{LIBRARY.name} was changed by hand, which the next update undoes or merges "
        f"with its own changes: {', '.join(changed)}."
    )


def digests(folder: Path) -> dict[str, str]:
    """The digest of each file of a copy of the library, whatever git made of its line ends."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and "__pycache__" not in name and path != folder / RECORD.name:
            content = path.read_bytes().replace(b"\r\n", b"\n")
            found[name] = sha256(content).hexdigest()[:16]
    return found


def record(version: str, folder: Path = LIBRARY) -> str:
    """What `VERSION` says of a copy of the library."""
    lines = [version, *(f"{digest}  {name}" for name, digest in sorted(digests(folder).items()))]
    return "\n".join(lines) + "\n"


def _recorded() -> tuple[str, dict[str, str]]:
    version, *lines = RECORD.read_text(encoding="utf-8").splitlines()
    pairs = (line.split("  ", 1) for line in lines)
    return version, {name: digest for digest, name in pairs}


_BESIDE = {"__init__.py", "__pycache__", LIBRARY.name}

if __name__ == "__main__":
    RECORD.write_text(record(version()), encoding="utf-8", newline="\n")

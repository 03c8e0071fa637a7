"""Which files count, and whether what is in them can be run; reads `.env`, as nothing else does."""

from __future__ import annotations

import ast
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..build.hatch import CompileError, compile_protos
from ..scaffold.sources import first_line

NAME = ".env"
COMPILED = ("_pb2.py", "_pb2_grpc.py")


class NotRunnableError(Exception):
    """What was saved cannot be run; the text is one line that says why."""


class Files:
    """The files of a project that its service is started anew for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folders = [folder for name in ("src", "protos") if (folder := root / name).is_dir()]
        self._waiting: set[Path] = set()
        self._environment = self._state_of_environment()

    def all_protos(self) -> list[Path]:
        """List the protos as they are now."""
        return sorted((self.root / "protos").rglob("*.proto"))

    def count(self, _change: object, path: str) -> bool:
        """Whether a file is one of them: a filter of watchfiles."""
        file = Path(path)
        is_compiled = file.name.endswith(COMPILED)
        return file.suffix == ".proto" or (file.suffix == ".py" and not is_compiled)

    def changed_environment(self) -> list[Path]:
        """Whether `.env` is another than before: it stands where too much else is to be watched."""
        before, self._environment = self._environment, self._state_of_environment()
        return [] if before == self._environment else [self.root / NAME]

    def prepare(self, changed: Iterable[Path]) -> None:
        """Parse the code that has changed, and compile the protos if one has.

        What could not be run is tried again with whatever is saved next.

        Raises:
            NotRunnableError: Python or protoc objects; the stubs are as they were.
        """
        self._waiting.update(changed)
        for path in sorted(self._waiting):
            if path.suffix == ".py" and path.is_file():
                self._parse(path)
        if any(path.suffix == ".proto" for path in self._waiting):
            try:
                compile_protos(self.root)
            except CompileError as error:
                raise NotRunnableError(first_line(str(error), f"{self.root}/")) from None
        self._waiting.clear()

    def _parse(self, path: Path) -> None:
        try:
            ast.parse(path.read_bytes())
        except (SyntaxError, ValueError) as error:
            name = path.relative_to(self.root).as_posix()
            line = f":{error.lineno}" if isinstance(error, SyntaxError) else ""
            reason = error.msg if isinstance(error, SyntaxError) else error
            raise NotRunnableError(f"{name}{line}: {reason}") from None

    def _state_of_environment(self) -> tuple[int, int] | None:
        try:
            found = (self.root / NAME).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size


class EnvironmentFileError(ValueError):
    """A line of `.env` sets no variable; the text is one line that names it, without its value."""


def with_file(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Add the variables of `.env` to an environment, which wins.

    Raises:
        EnvironmentFileError: A line is none of `NAME=value`.
        OSError: The file cannot be read.
    """
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    path = folder / NAME
    if not path.is_file():
        return dict(environment)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise EnvironmentFileError(f"{NAME}:{line} is no UTF-8.") from None
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            # Empty lines before it are a part of what the parser names.
            blank = binding.original.string
            line = binding.original.line + blank[: len(blank) - len(blank.lstrip())].count("\n")
            raise EnvironmentFileError(f"{NAME}:{line} is no NAME=value.")
    values = dotenv_values(stream=io.StringIO(text))
    return {**{name: value or "" for name, value in values.items()}, **environment}

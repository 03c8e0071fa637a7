"""Reads `.env`: in development, and nowhere else."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

NAME = ".env"


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

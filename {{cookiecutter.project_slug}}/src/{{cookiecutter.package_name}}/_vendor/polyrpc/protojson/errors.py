"""What callers of the codec catch."""

from __future__ import annotations

import json

_LONGEST = 300


class JsonError(ValueError):
    """JSON that is not the message it should be, or a message that has no JSON form.

    The text is one line that names the field or the position.

    Args:
        reason: What is wrong.
        line: The line in which it is, of a text that is no JSON; None if the reason says where.
        column: The column there; both count from 1.
    """

    def __init__(self, reason: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(reason if line is None else f"{reason} at line {line} column {column}")
        self.reason = reason
        self.line = line
        self.column = column


def one_line(text: str) -> str:
    """Answers what may quote the caller, and be of any length, fit for a line of a log."""
    if len(text) > _LONGEST:
        half = _LONGEST // 2
        text = f"{text[:half]}...{text[-half:]}"
    text = " ".join(text.split())
    return text if text.isprintable() else json.dumps(text)[1:-1]

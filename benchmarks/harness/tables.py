"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table; all columns but the first are flush right."""
    yield f"| {' | '.join(head)} |"
    yield f"| --- {'| ---: ' * (len(head) - 1)}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def or_na(value: float | None) -> str:
    """A ratio, or that there is none."""
    return "n/a" if value is None else f"{value:.2f}"

"""Path templates of google.api.http: parsing, and what paths say by them.

The grammar and the decoding rules are those of `google/api/http.proto`, "Path template syntax".
Where that text leaves a choice:

- A segment of a path is never empty, so `/v1/shelves/` and `/v1//books` match no template.
- `**` may also stand before other segments, once, as it does in Google's own templates.
- What follows a last segment that is a wildcard or variable, colon and all, is the verb; of a
  literal, the text after its last colon. In a path only a colon that is not percent-encoded starts
  a verb.
- Literals compare after percent-decoding: `/caf%C3%A9` is `/café`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from .percent import percent_decode, quoted

_FIELD_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_LITERAL = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()+,;=:@]|%[0-9A-Fa-f]{2}|[^\x00-\xa0])+")


class Wildcard(Enum):
    """A segment of a template that matches more than one text."""

    ONE = "*"
    ANY = "**"


Segment = str | Wildcard


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a template.

    Attributes:
        field_path: The field that it sets, such as `book.name`.
        start: The index of its first segment in the template.
        stop: The index after its last segment.
        multi_segment: Whether it may hold slashes, so that `%2F` stays encoded in its value.
    """

    field_path: str
    start: int
    stop: int
    multi_segment: bool


class PathTemplate:
    """A path template, such as `/v1/{name=shelves/*/books/*}:move`.

    Attributes:
        text: The template as it is written.
        segments: Its segments with the variables resolved; literals are percent-decoded.
        verb: The custom verb without its colon, or None.
        rest: How many segments follow `**`; None without one.
        fields: Its variables in order.

    Raises:
        ValueError: The text is no template; one line that names it and the position.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        parser = _Parser(text)
        parser.parse()
        self.segments: tuple[Segment, ...] = tuple(parser.segments)
        self.verb = parser.verb
        self.fields: tuple[Variable, ...] = tuple(parser.variables)
        self.rest = (
            len(self.segments) - 1 - self.segments.index(Wildcard.ANY)
            if Wildcard.ANY in self.segments
            else None
        )

    @property
    def variables(self) -> tuple[str, ...]:
        """The dotted field paths of the variables, in order."""
        return tuple(variable.field_path for variable in self.fields)

    def capture(self, segments: Sequence[str]) -> dict[str, str]:
        """Decode the variables of a path that is known to match.

        Args:
            segments: The raw segments of the path, without the verb.

        Raises:
            ValueError: A variable is malformed; the text names it.
        """
        values = {}
        # All that stands after `**` is as much further back as there is more than one segment.
        shift = len(segments) - len(self.segments)
        fixed = len(self.segments) - (self.rest or 0)
        for variable in self.fields:
            start = variable.start + shift if variable.start >= fixed else variable.start
            moved = self.rest is not None and variable.stop >= fixed
            raw = "/".join(segments[start : variable.stop + shift if moved else variable.stop])
            try:
                values[variable.field_path] = percent_decode(
                    raw.encode("latin-1"), keep_slashes=variable.multi_segment
                )
            except ValueError as error:
                raise ValueError(f"path variable {quoted(variable.field_path)} {error}") from None
        return values


def literal(segment: str) -> str:
    """Return a raw segment of a path as literals compare: decoded where that is possible."""
    if segment.isascii() and "%" not in segment:
        return segment
    try:
        return percent_decode(segment.encode("latin-1"))
    except ValueError:
        return segment


def readings(raw_path: str, most_colons: int) -> Iterator[tuple[list[str], str | None]]:
    """Yield the ways to read a path: with each custom verb that it may end in, then without.

    Each is the raw segments and the verb; the longest verb comes first. Nothing is yielded for a
    path that no template can match: one without its leading slash, with an empty segment, or with
    characters that are no Latin-1 bytes.

    Args:
        raw_path: The path, as `RestRouter.match` takes it.
        most_colons: How many colons a verb may have, its first one counted.
    """
    if raw_path[:1] != "/" or raw_path[-1] == "/" or "//" in raw_path:
        return
    if not raw_path.isascii() and max(raw_path) > "\xff":
        return
    segments = raw_path[1:].split("/")
    stem, *verbs = segments[-1].rsplit(":", most_colons)
    while verbs:
        verb = ":".join(verbs)
        if stem and verb:
            yield [*segments[:-1], stem], literal(verb)
        stem = f"{stem}:{verbs.pop(0)}"
    yield segments, None


class _Parser:
    """Reads one template from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.segments: list[Segment] = []
        self.variables: list[Variable] = []
        self.verb: str | None = None
        self._position = 0
        self._end = len(text)

    def parse(self) -> None:
        tail = max(self.text.rfind(end) for end in "/}*") + 1
        colon = (
            self.text.rfind(":", tail)
            if self.text[tail - 1 : tail] in ("", "/")
            else self.text.find(":", tail)
        )
        if colon >= 0:
            self._position = colon + 1
            self.verb = self._literal()
            if self._position < self._end:
                raise self._error("end expected")
            self._position, self._end = 0, colon
        if not self._take("/"):
            raise self._error('"/" expected')
        self._segments(inside_variable=False)
        if self._position < self._end:
            raise self._error('"/" expected')

    def _segments(self, *, inside_variable: bool) -> None:
        while True:
            if self._take("**"):
                if Wildcard.ANY in self.segments:
                    raise self._error('second "**"')
                self.segments.append(Wildcard.ANY)
            elif self._take("*"):
                self.segments.append(Wildcard.ONE)
            elif not inside_variable and self._take("{"):
                self._variable()
            else:
                self.segments.append(self._literal())
            if not self._take("/"):
                return

    def _variable(self) -> None:
        field_path = _FIELD_PATH.match(self.text, self._position, self._end)
        if field_path is None:
            raise self._error("field path expected")
        if any(field_path.group() == variable.field_path for variable in self.variables):
            raise self._error(f"second variable {field_path.group()}")
        self._position = field_path.end()
        start = len(self.segments)
        if self._take("="):
            self._segments(inside_variable=True)
        else:
            self.segments.append(Wildcard.ONE)
        if not self._take("}"):
            raise self._error('"}" expected')
        stop = len(self.segments)
        multi_segment = stop - start > 1 or self.segments[start] is Wildcard.ANY
        self.variables.append(Variable(field_path.group(), start, stop, multi_segment))

    def _literal(self) -> str:
        match = _LITERAL.match(self.text, self._position, self._end)
        if match is None:
            raise self._error("segment expected")
        try:
            decoded = percent_decode(match.group().encode())
        except ValueError as error:
            raise self._error(f"literal {error}") from None
        self._position = match.end()
        return decoded

    def _take(self, token: str) -> bool:
        taken = self.text.startswith(token, self._position, self._end)
        if taken:
            self._position += len(token)
        return taken

    def _error(self, reason: str) -> ValueError:
        return ValueError(
            f"path template {quoted(self.text)}: {reason} at position {self._position}"
        )

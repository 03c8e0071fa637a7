"""Path templates of google.api.http: parsing and matching.

The grammar and the decoding rules are those of `google/api/http.proto`, "Path template syntax".
Where that text leaves a choice:

- A segment of a path is never empty, so `/v1/shelves/` and `/v1//books` match no template.
- The text after the last colon of a template's last segment is its verb. In a path only a colon
  that is not percent-encoded starts a verb.
- Literals compare after percent-decoding: `/caf%C3%A9` is `/café`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from ..codec import JsonError
from .percent import percent_decode, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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

    Args:
        text: The template.

    Attributes:
        text: The template as it is written.
        segments: Its segments with the variables resolved; literals are percent-decoded.
        verb: The custom verb without its colon, or None.
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

    @property
    def variables(self) -> tuple[str, ...]:
        """The dotted field paths of the variables, in order."""
        return tuple(variable.field_path for variable in self.fields)

    def match(self, raw_path: str) -> dict[str, str] | None:
        """Match a path and decode its variables.

        Args:
            raw_path: The path as it was sent, still percent-encoded and without the query; bytes
                above 127 stand as Latin-1, as they do in ASGI headers.

        Returns:
            The value of each variable by its field path, or None where the path does not match.

        Raises:
            JsonError: The path matches, but a variable is malformed.
        """
        for segments, verb in readings(raw_path):
            if verb == self.verb and self._fits(segments):
                return self.capture(segments)
        return None

    def capture(self, segments: Sequence[str]) -> dict[str, str]:
        """Decode the variables of a path that is known to match.

        Args:
            segments: The raw segments of the path, without the verb.

        Raises:
            JsonError: A variable is malformed; the text names it.
        """
        values = {}
        for variable in self.fields:
            stop = variable.stop
            if self.segments[stop - 1] is Wildcard.ANY:
                stop = len(segments)
            raw = "/".join(segments[variable.start : stop])
            try:
                values[variable.field_path] = percent_decode(
                    raw.encode("latin-1"), keep_slashes=variable.multi_segment
                )
            except ValueError as error:
                raise JsonError(f"path variable {quoted(variable.field_path)} {error}") from None
        return values

    def _fits(self, segments: Sequence[str]) -> bool:
        fixed: Sequence[Segment] = self.segments
        if fixed[-1] is Wildcard.ANY:
            fixed = fixed[:-1]
            if len(segments) < len(fixed):
                return False
        elif len(segments) != len(fixed):
            return False
        return all(
            expected is Wildcard.ONE or expected == literal(segment)
            for expected, segment in zip(fixed, segments, strict=False)
        )


def literal(segment: str) -> str:
    """Return a raw segment of a path as literals compare: decoded where that is possible."""
    if segment.isascii() and "%" not in segment:
        return segment
    try:
        return percent_decode(segment.encode("latin-1"))
    except ValueError:
        return segment


def readings(raw_path: str) -> Iterator[tuple[list[str], str | None]]:
    """Yield the ways to read a path: with the custom verb that it may end in, then without.

    Each is the raw segments and the verb. Nothing is yielded for a path that no template can
    match: one without its leading slash, with an empty segment, or with characters that are no
    Latin-1 bytes.
    """
    if raw_path[:1] != "/" or raw_path[-1] == "/" or "//" in raw_path:
        return
    if not raw_path.isascii() and max(raw_path) > "\xff":
        return
    segments = raw_path[1:].split("/")
    stem, _, verb = segments[-1].rpartition(":")
    if stem and verb:
        yield [*segments[:-1], stem], literal(verb)
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
        tail = max(self.text.rfind("/"), self.text.rfind("}")) + 1
        colon = self.text.rfind(":", tail)
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
            if self.segments and self.segments[-1] is Wildcard.ANY:
                raise self._error('"**" must be the last segment')
            if self._take("**"):
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

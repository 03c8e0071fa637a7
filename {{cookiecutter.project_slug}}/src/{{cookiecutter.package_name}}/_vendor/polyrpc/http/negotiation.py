"""Frames the JSON texts of a streamed response, and chooses the media type by `Accept`.

`negotiate` picks the media type of any response; `FRAMINGS` has the class for each media type
that a stream may have. One object of it frames one response.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from functools import lru_cache
from typing import ClassVar


class Framing(ABC):
    """Turns the messages of one response stream into the bytes of its body."""

    media_type: ClassVar[bytes]

    @abstractmethod
    def message(self, json: bytes) -> bytes:
        """Return the bytes to send for the next message; `json` is its text, of one line."""

    def end(self) -> bytes:
        """Return the bytes to send after the last message of a stream that succeeded."""
        return b""

    def error(self, body: bytes) -> bytes | None:  # noqa: ARG002 - not all have a place for it
        """Return the last bytes of a stream that fails after its start.

        Args:
            body: The error body as JSON text of one line.

        Returns:
            None where the media type can't tell of a failure: the connection must be cut, so
            that the body can't be taken for complete.
        """
        return None


class Ndjson(Framing):
    """`application/x-ndjson`: a line for each message, and one for the failure."""

    media_type = b"application/x-ndjson"

    def message(self, json: bytes) -> bytes:
        return b'{"result": %b}\n' % json

    def error(self, body: bytes) -> bytes:
        return b'{"error": %b}\n' % body


class EventStream(Framing):
    """`text/event-stream`, as https://html.spec.whatwg.org/multipage/server-sent-events.html."""

    media_type = b"text/event-stream"

    def message(self, json: bytes) -> bytes:
        return b"data: %b\n\n" % json

    def error(self, body: bytes) -> bytes:
        return b"event: error\ndata: %b\n\n" % body


class JsonArray(Framing):
    """`application/json`: one array, which only a stream that succeeded closes."""

    media_type = b"application/json"

    def __init__(self) -> None:
        self._started = False

    def message(self, json: bytes) -> bytes:
        opening = b"," if self._started else b"["
        self._started = True
        return opening + json

    def end(self) -> bytes:
        return b"]" if self._started else b"[]"


FRAMINGS: dict[bytes, type[Framing]] = {
    framing.media_type: framing for framing in (Ndjson, EventStream, JsonArray)
}
"""The framings of streams by media type, the preferred first."""

_STREAMING = tuple(media_type.decode() for media_type in FRAMINGS)
_UNARY = (JsonArray.media_type.decode(),)


@lru_cache(maxsize=256)
def negotiate(accept: str | None, *, streaming: bool) -> bytes | None:
    """Chooses the media type of a response, following RFC 9110, section 12.5.1.

    The most specific range that covers a media type gives its weight; parameters other than `q`
    are ignored. Of the media types with the highest weight, one that is named goes before one
    that only a wildcard covers (`application/json, */*` asks for JSON), then the order of
    `FRAMINGS` decides. Malformed members are ignored; a header of nothing else counts as none,
    which the section leaves to the server.

    Args:
        accept: The header's value, several headers joined by commas; None if there is none.
        streaming: Whether the response is a stream; otherwise only `application/json` will do.

    Returns:
        The media type, or None if the client accepts none that can be had (406).
    """
    offered = _STREAMING if streaming else _UNARY
    ranges = _media_ranges(accept or "") or [("*/*", 1.0)]
    best, best_rank = None, (0.0, 0)
    for media_type in offered:
        rank = _rank(media_type, ranges)
        if rank[0] > 0 and rank > best_rank:
            best, best_rank = media_type, rank
    return best.encode() if best else None


def _rank(media_type: str, ranges: list[tuple[str, float]]) -> tuple[float, int]:
    """Return the weight of `media_type` and how specific the range is that gives it."""
    covering = ("*/*", f"{media_type.partition('/')[0]}/*", media_type)
    specificity, weight = max(
        ((covering.index(name), weight) for name, weight in ranges if name in covering),
        default=(0, 0.0),
    )
    return weight, specificity


_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
# An unclosed quote takes the rest, instead of a new look at every later quote.
_MEMBER = re.compile(rf"(?:{_QUOTED}?|[^,])+", re.DOTALL)
_PARAMETER = rf"[ \t]*+;[ \t]*+(?:({_NAME})=({_NAME}|{_QUOTED}))?"
_PARAMETERS = re.compile(_PARAMETER, re.DOTALL)
_MEDIA_RANGE = re.compile(rf"[ \t]*+({_NAME}/{_NAME})((?:{_PARAMETER})*)[ \t]*+", re.DOTALL)
# Wider than the grammar by `.5` and by more than three decimals: clients send both.
_WEIGHT = re.compile(r"0(?:\.[0-9]*)?|\.[0-9]+|1(?:\.0*)?")


def _media_ranges(accept: str) -> list[tuple[str, float]]:
    """Return the well-formed members of an `Accept` header, in lower case, and their weights."""
    ranges = []
    for member in _MEMBER.findall(accept):
        if media_range := _MEDIA_RANGE.fullmatch(member):
            parameters = _PARAMETERS.findall(media_range[2])
            weights = [value for name, value in parameters if name in ("q", "Q")]
            if all(map(_WEIGHT.fullmatch, weights)):
                ranges.append((media_range[1].lower(), float(weights[0]) if weights else 1.0))
    return ranges

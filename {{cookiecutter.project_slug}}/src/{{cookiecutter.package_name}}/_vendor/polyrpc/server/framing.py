"""Where the head and the body of an HTTP/1.1 request end, and what the head says.

llhttp (httptools) reads heads, strictly. It is shown nothing else, so that no offer to upgrade and
no trailer field can change what it takes for a body or for a header: that is decided here.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache

import httptools

from .refusals import (
    CODING,
    HOST,
    MALFORMED,
    METHOD,
    NO_TUNNEL,
    NOT_TEXT,
    TOO_LARGE,
    Refusal,
    Refused,
)

_HEAD_END = b"\r\n\r\n"
_NOTED = frozenset((b"host", b"content-length", b"transfer-encoding", b"connection", b"expect"))
_LENGTH_DIGITS = 19
"""With more of them a length may be beyond 64 bits, if they are not leading zeros."""

_METHOD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?: |\Z)")
_HOST = re.compile(rb"[!-~]*")
_NOT_HOST = re.compile(rb"[/?#@\\]")
_HEX = frozenset(b"0123456789abcdefABCDEF")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[!-~][\t -~\x80-\xff]*)?\r\n")
_TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*\r\n")


class RequestHeaders:
    """The request line and the headers, from when their first byte is there.

    Attributes:
        url: The request target.
        headers: Names in lower case, and values.
        method: Such as `POST`.
        is_1_0: Its client speaks HTTP/1.0.
        length: Of the body; 0 where it comes in chunks.
        is_chunked: It does.
        keep_alive: Its client may go on with another request.
        expects_continue: Its client waits to be told to send the body.
        offers_upgrade: Its client would speak another protocol.
        is_complete: All of it is there.
    """

    __slots__ = (
        "_fault",
        "_has_length",
        "_hosts",
        "_parser",
        "_size",
        "_tail",
        "expects_continue",
        "headers",
        "is_1_0",
        "is_chunked",
        "is_complete",
        "keep_alive",
        "length",
        "method",
        "offers_upgrade",
        "url",
    )

    def __init__(self) -> None:
        self.url = b""
        self.method = ""
        self.headers: list[tuple[bytes, bytes]] = []
        self.length = 0
        self.keep_alive = True
        self.is_1_0 = self.is_chunked = self.expects_continue = self.is_complete = False
        self.offers_upgrade = self._has_length = False
        self._size = self._hosts = 0
        self._tail = b""
        self._fault: Refusal | None = None
        self._parser = httptools.HttpRequestParser(self)

    def feed(self, data: bytes, position: int, max_bytes: int) -> int:
        """Takes what belongs to the head.

        Args:
            data: What has arrived.
            position: Where in it to go on.
            max_bytes: How long a head may be.

        Returns:
            The position of what comes after.

        Raises:
            Refused: It is too large, or none that is served.
        """
        end = self._find_end(data, position)
        whole = end > 0
        part = data if whole and not position and end == len(data) else data[position : end or None]
        self._size += len(part)
        parser = self._parser
        if self._size > max_bytes:
            with suppress(httptools.HttpParserError):  # For a page, its beginning has the origin.
                parser.feed_data(part[: max_bytes - self._size])
            raise Refused(TOO_LARGE)
        try:
            parser.feed_data(part)
        except httptools.HttpParserUpgrade:
            self.offers_upgrade = True  # Answering in HTTP/1.1 declines it.
        except httptools.HttpParserInvalidMethodError:  # It knows some 40 of them.
            raise Refused(METHOD if _METHOD.match(part) else MALFORMED) from None
        except httptools.HttpParserError:
            raise Refused(self._fault or MALFORMED) from None
        if self.is_complete is not whole:
            raise Refused(MALFORMED)
        if whole:
            self.method = parser.get_method().decode("ascii")
            self._check(parser.get_http_version())
            del self._parser  # Which refers to this, in turn.
            return end
        self._tail = (self._tail + part)[-3:]
        return len(data)

    def on_url(self, url: bytes) -> None:
        """A part of the request target was read."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header was read."""
        name = name.lower()
        if name in _NOTED:
            self._note(name, value)
        elif not value.isascii():
            try:
                value.decode()
            except UnicodeDecodeError:
                self._fault = NOT_TEXT
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """All of them were read."""
        self.is_complete = True

    def _find_end(self, data: bytes, position: int) -> int:
        """Finds where in `data` the head ends; 0: not in it."""
        if self._tail:
            seam = (self._tail + data[position : position + 3]).find(_HEAD_END)
            if seam >= 0:
                return position + seam + len(_HEAD_END) - len(self._tail)
        at = data.find(_HEAD_END, position)
        return at + len(_HEAD_END) if at >= 0 else 0

    def _note(self, name: bytes, value: bytes) -> None:
        if name == b"host":
            self._hosts += 1
            if not is_host(value):
                self._fault = HOST
        elif name == b"content-length":
            if self._has_length or len(value) > _LENGTH_DIGITS:
                self._fault = MALFORMED
            else:
                self._has_length = True
                self.length = int(value)
        elif name == b"connection":
            if b"close" in [token.strip() for token in value.lower().split(b",")]:
                self.keep_alive = False
        elif name == b"transfer-encoding":
            if self.is_chunked or value.lower() != b"chunked":
                self._fault = CODING
            self.is_chunked = True
        else:
            self.expects_continue = value.lower() == b"100-continue"

    def _check(self, version: str) -> None:
        fault = self._fault
        if self.method == "CONNECT":
            fault = NO_TUNNEL
        elif version == "1.0":
            self.is_1_0 = True
            self.keep_alive = self.expects_continue = False
            if self.is_chunked or self._hosts > 1:
                fault = MALFORMED
        elif version != "1.1" or (self.is_chunked and self._has_length):
            fault = MALFORMED
        elif self._hosts != 1:
            fault = HOST
        if fault is not None:
            raise Refused(fault)


@lru_cache(maxsize=256)
def is_host(value: bytes) -> bool:
    """Whether it can be the value of `host`."""
    return _HOST.fullmatch(value) is not None and _NOT_HOST.search(value) is None


class ChunkedBody:
    """A body that comes in chunks (RFC 9112, section 7.1). Its trailer fields are dropped.

    Args:
        max_bytes: How long the line before a chunk may be, and all trailer fields together.

    Attributes:
        is_complete: Its end has been seen.
    """

    __slots__ = ("_in_trailers", "_line", "_max_bytes", "_missing", "_trailer_bytes", "is_complete")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._missing = 0
        self._line = b""
        self._in_trailers = False
        self._trailer_bytes = 0
        self.is_complete = False

    def feed(self, data: bytes, position: int) -> tuple[bytes, int]:
        """Takes what belongs to the body.

        Args:
            data: What has arrived.
            position: Where in it to go on.

        Returns:
            The content in it, and the position of what comes after.

        Raises:
            Refused: These are no chunks, or their lines are too long.
        """
        parts: list[bytes] = []
        while position < len(data) and not self.is_complete:
            if not (self._missing or self._line or self._in_trailers):
                position = self._feed_whole(data, position, parts)
                if position == len(data):
                    break
            if self._missing > 2:
                part = data[position : position + self._missing - 2]
                parts.append(part)
                self._missing -= len(part)
                position += len(part)
            elif self._missing:  # The line ends after the chunk.
                if data[position] != b"\r\n"[-self._missing]:
                    raise Refused(MALFORMED)
                self._missing -= 1
                position += 1
            else:
                position = self._feed_line(data, position)
        return b"".join(parts), position

    def _feed_whole(self, data: bytes, position: int, parts: list[bytes]) -> int:
        """Takes chunks that are all there, as they mostly are, and returns where it has stopped.

        In few steps: there may be one for each byte of the content.
        """
        match = _CHUNK_LINE.match
        while line := match(data, position):
            start = line.end()
            end = start + int(line[1], 16)
            if end == start or start - position > self._max_bytes or data[end : end + 2] != b"\r\n":
                break
            parts.append(data[start:end])
            position = end + 2
        return position

    def _feed_line(self, data: bytes, position: int) -> int:
        split = self._line.endswith(b"\r") and data.startswith(b"\n", position)
        found = -1 if split else data.find(b"\r\n", position)
        end = position + 1 if split else len(data) if found < 0 else found + 2
        line = self._line = self._line + data[position:end]
        if len(line) + self._trailer_bytes > self._max_bytes:
            raise Refused(TOO_LARGE)
        if not self._in_trailers and line[0] not in _HEX:
            raise Refused(MALFORMED)
        if split or found >= 0:
            self._line = b""
            self._take_line(line)
        return end

    def _take_line(self, line: bytes) -> None:
        if not self._in_trailers:
            chunk = _CHUNK_LINE.fullmatch(line)
            if chunk is None:
                raise Refused(MALFORMED)
            size = int(chunk[1], 16)
            if size:
                self._missing = size + 2
            else:
                self._in_trailers = True
        elif line == b"\r\n":
            self.is_complete = True
        elif _TRAILER.fullmatch(line):
            self._trailer_bytes += len(line)
        else:
            raise Refused(MALFORMED)

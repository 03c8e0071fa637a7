"""Splits a streamed request body into the JSON texts of single messages, without parsing them.

One class for each media type that a stream of requests may have. Both take the body in chunks of
any size and hold at most one unfinished message. The texts they yield are checked by the codec.

What is wrong with a message begins with its place in the stream:

- `line 3: name: expected a string`, of NDJSON: lines count from 1, blank ones too;
- `[1]: name: expected a string`, of a JSON array: indices count from 0. Lines and columns of what
  is no JSON count from the start of the message. Bytes, as in `[1]: expected '}' at byte 27`, count
  from the start of the body, whose brackets and commas are told by them alone.

A body that is no array is one message, which needs no place.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from enum import Enum, auto
from io import BytesIO

from ..calls.messages import too_large
from ..protojson import JsonError

MAX_DEPTH = 100
"""Brackets that may be open at once inside one message; the codec's own limit."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Frames(ABC):
    """The messages of one body. After an error the object is spent.

    Args:
        max_message_bytes: How long a message may be, without its line's ending or white space
            around it.
    """

    def __init__(self, max_message_bytes: int) -> None:
        self._max_message_bytes = max_message_bytes
        self._unfinished = BytesIO()

    @abstractmethod
    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next chunk of the body and yield the messages that it completes.

        What comes before an error in the chunk is yielded before the error is raised, so that a
        stream fails at the same message however it is chunked.

        Raises:
            CallError: A message exceeds the limit, finished or not (RESOURCE_EXHAUSTED).
            JsonError: The body is no such stream, or a message is nested too deeply.
        """

    @abstractmethod
    def close(self) -> list[bytes]:
        """End the body and return its last message, if only the end could complete that.

        Raises:
            JsonError: The body ends where it must not.
        """

    @abstractmethod
    def located(self, error: JsonError) -> JsonError:
        """Return what is wrong with the last message that has begun, with its place."""

    def _take_unfinished(self) -> bytes:
        message = self._unfinished.getvalue()
        self._unfinished = BytesIO()
        return message


class NdjsonFrames(Frames):
    r"""Frames of `application/x-ndjson`: one JSON text a line, ended by `\n` or `\r\n`.

    Blank lines are skipped and the last line needs no ending.
    """

    def __init__(self, max_message_bytes: int) -> None:
        super().__init__(max_message_bytes)
        self._line_number = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        *lines, rest = data.split(b"\n")
        if lines and self._unfinished.tell():
            self._unfinished.write(lines[0])
            lines[0] = self._take_unfinished()
        for line in lines:
            if message := self._message(line):
                yield message
        if rest:
            self._unfinished.write(rest)
            # The "\r" of a line ending is no part of the message, but its "\n" may be yet to come.
            self._check_size(self._unfinished.tell() - rest.endswith(b"\r"), self._line_number + 1)

    def close(self) -> list[bytes]:
        message = self._message(self._take_unfinished())
        return [message] if message else []

    @property
    def place(self) -> str:
        """Which message was the last to be yielded, or is wrong; empty where there is but one."""
        return f"line {self._line_number}"

    def located(self, error: JsonError) -> JsonError:
        if error.line is None:
            return JsonError(f"{self.place}: {error}")
        return JsonError(f"{self.place}: {error.reason} at column {error.column}")

    def _message(self, line: bytes) -> bytes:
        self._line_number += 1
        self._check_size(len(line) - line.endswith(b"\r"), self._line_number)
        if line.startswith(_BYTE_ORDER_MARK):
            raise JsonError(f"line {self._line_number} starts with a byte order mark")
        # White space before a message counts among the columns of what is wrong with it.
        return line.rstrip(b" \t\r")

    def _check_size(self, size: int, line_number: int) -> None:
        if size > self._max_message_bytes:
            self._line_number = line_number
            raise too_large(self._max_message_bytes, self.place)


class _Expected(Enum):
    """What may follow, outside of messages; the values are the words of error texts."""

    BODY = "a JSON value"
    FIRST = "a JSON value or ']'"
    SEPARATOR = "',' or ']'"
    NEXT = "a JSON value after ','"
    END = "the end of the body"


_AFTER_BYTE: dict[_Expected, dict[int, _Expected]] = {
    _Expected.BODY: {ord("["): _Expected.FIRST},
    _Expected.FIRST: {ord("]"): _Expected.END},
    _Expected.SEPARATOR: {ord(","): _Expected.NEXT, ord("]"): _Expected.END},
    _Expected.NEXT: {},
    _Expected.END: {},
}
_AFTER_MESSAGE = {
    _Expected.BODY: _Expected.END,
    _Expected.FIRST: _Expected.SEPARATOR,
    _Expected.NEXT: _Expected.SEPARATOR,
}


class _Inside(Enum):
    """Where in a message the last chunk ended."""

    START = auto()
    SCALAR = auto()
    BRACKETS = auto()
    STRING = auto()
    ESCAPE = auto()


_VALUE_STARTS = frozenset(b'{["-0123456789tfn')
_CLOSERS = {ord("{"): ord("}"), ord("["): ord("]")}
_QUOTE, _BACKSLASH = b'"\\'

# Each pattern jumps over as much as it can tell; where it stops too early, another look at the byte
# there goes on. Groups are repeated a bounded number of times because every repeat takes memory
# until the match ends, and never possessively: CPython before 3.11.5 does that wrongly.
_WHITESPACE = re.compile(rb"[ \t\r\n]++")
_SCALAR = re.compile(rb'[^ \t\r\n,:\[\]{}"]++')
_STRING_REST = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+){0,64}', re.DOTALL)
_PLAIN = rb'[^"{}\[\]]*+'
_STRING = rb'"%b"' % _STRING_REST.pattern
_FLAT = rb"%b(?:%b%b){0,64}" % (_PLAIN, _STRING, _PLAIN)
_TO_BRACKET = re.compile(_FLAT, re.DOTALL)
_OVER_FLAT_BRACKETS = re.compile(
    rb"%b(?:(?:%b|\{%b\}|\[%b\])%b){0,64}" % (_PLAIN, _STRING, _FLAT, _FLAT, _PLAIN), re.DOTALL
)


def _skip(pattern: re.Pattern[bytes], data: bytes, position: int) -> int:
    match = pattern.match(data, position)
    return match.end() if match else position


class JsonArrayFrames(Frames):
    """Frames of `application/json`: an array of messages.

    Any other JSON value is a stream of that one message, and an empty body is an empty stream. A
    message is yielded as soon as its last byte is there (a number or literal: the byte after it).
    """

    def __init__(self, max_message_bytes: int) -> None:
        super().__init__(max_message_bytes)
        self._expected = _Expected.BODY
        self._inside: _Inside | None = None
        self._open = bytearray()
        self._offset = 0
        self._index = -1
        self._is_array = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        position = 0
        while (start := self._find_message(data, position)) < len(data):
            position = self._find_end(data, start)
            if self._unfinished.tell() + position - start > self._max_message_bytes:
                raise too_large(self._max_message_bytes, self.place)
            if self._inside:
                self._unfinished.write(data[start:position])
            elif self._unfinished.tell():
                self._unfinished.write(data[start:position])
                yield self._take_unfinished()
            else:
                yield data[start:position]
        self._offset += len(data)

    @property
    def place(self) -> str:
        """Which message was the last to begin: it was yielded, or is wrong; empty for the body."""
        return f"[{self._index}]" if self._is_array else ""

    def located(self, error: JsonError) -> JsonError:
        return JsonError(f"{self.place}: {error}") if self._is_array else error

    def close(self) -> list[bytes]:
        if self._inside is _Inside.SCALAR and self._expected is _Expected.END:
            self._inside = None
            return [self._take_unfinished()]
        if self._inside:
            raise self.located(JsonError(f"the body ends inside a message at byte {self._offset}"))
        if self._expected not in (_Expected.BODY, _Expected.END):
            raise JsonError(
                f"the body ends at byte {self._offset}, expected {self._expected.value}"
            )
        return []

    def _find_message(self, data: bytes, position: int) -> int:
        """Return where in `data` a message goes on or starts; the end of `data` if nowhere."""
        while not self._inside:
            position = _skip(_WHITESPACE, data, position)
            if position == len(data):
                break
            byte = data[position]
            if expected := _AFTER_BYTE[self._expected].get(byte):
                self._is_array = True
                self._expected = expected
                position += 1
            elif byte in _VALUE_STARTS and self._expected in _AFTER_MESSAGE:
                self._expected = _AFTER_MESSAGE[self._expected]
                self._inside = _Inside.START
                self._index += 1
            else:
                raise self._unexpected(self._expected.value, byte, position)
        return position

    def _find_end(self, data: bytes, position: int) -> int:
        """Return where in `data` the message ends; the end of `data` if it goes on."""
        while position < len(data):
            match self._inside:
                case _Inside.BRACKETS:
                    # The faster pattern passes brackets unseen that may be one level too deep.
                    full = len(self._open) == MAX_DEPTH
                    position = _skip(_TO_BRACKET if full else _OVER_FLAT_BRACKETS, data, position)
                    if position < len(data):
                        self._step(data[position], position)
                        position += 1
                case _Inside.STRING:
                    position = _skip(_STRING_REST, data, position)
                    if position < len(data):
                        if data[position] == _BACKSLASH:
                            self._inside = _Inside.ESCAPE
                        else:
                            self._inside = _Inside.BRACKETS if self._open else None
                        position += 1
                case _Inside.ESCAPE:
                    self._inside = _Inside.STRING
                    position += 1
                case _Inside.SCALAR:
                    position = _skip(_SCALAR, data, position)
                    if position < len(data):
                        self._inside = None
                case _Inside.START:
                    if data[position] == _QUOTE or data[position] in _CLOSERS:
                        self._step(data[position], position)
                        position += 1
                    else:
                        self._inside = _Inside.SCALAR
                case None:
                    break
        return position

    def _step(self, byte: int, position: int) -> None:
        """Enter or leave what the quote or bracket `byte` opens or closes."""
        if byte == _QUOTE:
            self._inside = _Inside.STRING
        elif closer := _CLOSERS.get(byte):
            self._inside = _Inside.BRACKETS
            self._open.append(closer)
            if len(self._open) > MAX_DEPTH:
                place = f"byte {self._offset + position}"
                raise self.located(JsonError(f"nested deeper than {MAX_DEPTH} levels at {place}"))
        elif byte == self._open[-1]:
            del self._open[-1]
            if not self._open:
                self._inside = None
        else:
            raise self.located(self._unexpected(repr(chr(self._open[-1])), byte, position))

    def _unexpected(self, expected: str, byte: int, position: int) -> JsonError:
        offset = self._offset + position
        found = repr(chr(byte)) if 0x20 <= byte < 0x7F else f"byte 0x{byte:02x}"
        if offset == 0 and byte == _BYTE_ORDER_MARK[0]:
            found += " (a byte order mark is not allowed)"
        return JsonError(f"expected {expected} at byte {offset}, found {found}")

"""Where log lines go: a bounded queue, and a thread that writes what is in it.

Whoever logs never waits for those who read standard error. It imports nothing of the service.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import select
import stat
import sys
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, datetime
from functools import cache, lru_cache
from queue import SimpleQueue
from threading import Event, Thread
from time import time
from typing import Any, BinaryIO

import orjson

try:
    import fcntl
except ImportError:  # Windows, where one process serves
    fcntl = None  # type: ignore[assignment] # it is a module elsewhere

MOST_BYTES_WAITING = 4 * 1024 * 1024
"""How much may wait to be written; what comes on top is dropped."""

_DELAY = 0.02
"""Seconds that the line of a call may wait for others."""

_SECONDS_TO_FLUSH = 2.0
_UNWRITTEN = "a log line could not be written"
# What JSON lets through, and a terminal takes for a command or for another direction of writing.
_CONTROL = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class EventRecord(logging.LogRecord):
    """A log record whose line has these fields and no other.

    Where it was logged is not looked up and nothing is formatted: it is for the lines that every
    call writes. To handlers and formatters that do not know it, it is one with `extra`.

    Args:
        logger: Through which it will go.
        level: One of `logging`'s.
        event: What happened.
        created: When, in seconds since the epoch.
        fields: What else the line says.
    """

    __slots__ = ("fields",)

    def __init__(
        self,
        logger: logging.Logger,
        level: int,
        event: str,
        created: float,
        fields: Mapping[str, Any],
    ) -> None:
        self.__dict__ = {
            **STANDARD_ATTRIBUTES,
            **fields,
            "name": logger.name,
            "levelno": level,
            "levelname": logging.getLevelName(level),
            "msg": event,
            "created": created,
        }
        self.fields = fields


STANDARD_ATTRIBUTES = logging.LogRecord("", logging.NOTSET, __file__, 0, "", (), None).__dict__
"""What every record has."""


class Pipe(logging.Handler):
    """Has a thread write a line for each record, in their order.

    When more than `MOST_BYTES_WAITING` wait, lines are dropped until half of that is written;
    then one line says how many.

    Args:
        stream: Where to.
        shared: Other processes write lines there, too: they take turns. What is longer than a few
            kilobytes a pipe takes in parts, and so it would take theirs in between.

    Attributes:
        on_drop: Called with the number of lines just dropped, by any thread.
    """

    def __init__(self, stream: BinaryIO, *, shared: bool = False) -> None:
        super().__init__()
        # A buffer has a lock, which a thread that waits for a reader would hold at exit.
        self._stream: Any = getattr(stream, "raw", stream)
        self._turn: AbstractContextManager[None] = nullcontext()
        if shared and fcntl is not None and _takes_in_parts(self._stream):
            self._turn = _Turn(self._stream)
        self.on_drop: Callable[[int], object] = _ignore
        self._overflowing = False
        self._refused = 0
        # The thread alone changes the next two, so that they need no lock.
        self._lost = 0
        self._bytes_done = 0
        self._bytes_given = 0
        self._told = 0
        self._begin()

    @property
    def dropped(self) -> int:
        """How many lines nobody will ever read."""
        return self._refused + self._lost

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._give(self._line(record))
        except Exception:  # as logging's own handlers: a line that fails must not fail the call
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Says that a record could not be formatted, without what it holds."""
        said = logging.LogRecord(record.name, logging.ERROR, __file__, 0, _UNWRITTEN, (), None)
        # Not its text: that of errors of formatting shows what was to be formatted.
        said.error = type(sys.exception()).__name__
        self._give(self._line(said))

    def flush(self) -> None:
        """Waits until all is written, but not longer than some seconds."""
        written = Event()
        with self.lock or nullcontext():
            self._give_waiting()
            self._tell()
            if not self._has_thread():
                return
            self._queue.put(written)
        written.wait(_SECONDS_TO_FLUSH)

    def close(self) -> None:
        """Lets the thread end when it has written what waits."""
        self._queue.put(None)
        super().close()

    def _line(self, record: logging.LogRecord) -> bytes:
        return self.format(record).encode(errors="backslashreplace") + b"\n"

    def _give_waiting(self) -> None:
        """Gives to the thread what a kind of pipe has kept back."""

    def _give(self, lines: bytes) -> None:
        """Gives lines to the thread, where there is room for them. The caller has the lock."""
        if sys.is_finalizing():
            self._write_at_exit(lines)
            return
        if not self._has_thread():
            self._start()
        waiting = self._bytes_given - self._bytes_done
        limit = MOST_BYTES_WAITING // 2 if self._overflowing else MOST_BYTES_WAITING
        self._overflowing = waiting > 0 and waiting + len(lines) > limit
        if self._overflowing:
            number = lines.count(b"\n")
            self._refused += number
            self.on_drop(number)
            return
        self._tell()
        self._put(lines)

    def _tell(self) -> None:
        untold = self.dropped - self._told
        if untold:
            self._told += untold
            text = "%d log lines were dropped here: nobody takes them fast enough"
            record = logging.LogRecord(
                __name__, logging.WARNING, __file__, 0, text, (untold,), None
            )
            self._put(self._line(record))

    def _put(self, lines: bytes) -> None:
        self._bytes_given += len(lines)
        self._queue.put(lines)

    def _begin(self) -> None:
        self._queue: SimpleQueue[bytes | Event | None] = SimpleQueue()
        self._bytes_given = self._bytes_done
        self._thread: Thread | None = None
        self._process = os.getpid()

    def _has_thread(self) -> bool:
        return self._thread is not None and self._process == os.getpid() and self._thread.is_alive()

    def _start(self) -> None:
        if self._process != os.getpid():
            self._begin()  # What waited before a fork, the parent writes.
        thread = Thread(target=self._write_all, args=(self._queue,), name="log", daemon=True)
        thread.start()
        self._thread = thread

    def _write_all(self, queue: SimpleQueue[bytes | Event | None]) -> None:
        nothing = Event()
        while (item := queue.get()) is not None:
            # All that wait, as one: after each write this thread waits for the interpreter lock.
            lines = []
            while isinstance(item, bytes):
                lines.append(item)
                item = nothing if queue.empty() else queue.get()
            with self._turn:
                self._write(b"".join(lines))
            if item is None:
                return
            item.set()

    def _write_at_exit(self, lines: bytes) -> None:
        # No thread runs any more, and one that is started is waited for for ever. It is the turn of
        # what destructors log, and of warnings such as that a coroutine was never awaited.
        if os.name == "nt" or select.select([], [self._stream], [], 0)[1]:
            self._write(lines)

    def _write(self, lines: bytes) -> None:
        try:
            _write(self._stream, lines)
        except (OSError, ValueError):  # The reader has gone, the disk is full, it is closed.
            number = lines.count(b"\n")
            self._lost += number
            self.on_drop(number)
        self._bytes_done += len(lines)


class JsonLinesHandler(Pipe):
    """Writes lines of JSON, those of calls together.

    The lines of calls wait for each other a little, so that they are given to the thread at once:
    waking it takes more than all else that there is to do for a line. Any other line, and the end
    of the process, gives them to it immediately.
    """

    def __init__(self, stream: BinaryIO, *, shared: bool = False) -> None:
        super().__init__(stream, shared=shared)
        # One that any thread may append to while another one takes from it.
        self._pending: deque[tuple[Callable[[Any], bytes], Any]] = deque()
        self._given_by: asyncio.AbstractEventLoop | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether there are lines of calls that wait for others."""
        return bool(self._pending)

    def write_later(self, render: Callable[[Any], bytes], values: Any) -> None:
        """Writes the line that `render` makes of `values`, when others are to be written too."""
        self._pending.append((render, values))
        try:
            loop = asyncio.get_running_loop()
            if loop is not self._given_by:
                self._given_by = loop
                loop.call_later(_DELAY, self._give_pending)
        except RuntimeError:  # no event loop runs in this thread
            self._give_pending()

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record, EventRecord):
            self.write_later(_line, record)
        else:
            self._give_waiting()
            super().emit(record)

    def _give_pending(self) -> None:
        with self.lock or nullcontext():
            self._give_waiting()

    def _give_waiting(self) -> None:
        self._given_by = None
        lines = []
        while self._pending:
            render, values = self._pending.popleft()
            try:
                lines.append(render(values))
            except Exception as error:  # the others are written all the same
                lines.append(_unwritten(error))
        if lines:
            self._give(b"".join(lines))


def handler_of(logger: logging.Logger, level: int) -> JsonLinesHandler | None:
    """Tells where lines of `level` go, if it is nowhere but to a pipe that writes all of them."""
    while logger.parent is not None:
        if logger.handlers or logger.filters or not logger.propagate:
            return None
        logger = logger.parent
    if len(logger.handlers) != 1:
        return None
    (handler,) = logger.handlers
    if not isinstance(handler, JsonLinesHandler) or handler.filters or level < handler.level:
        return None
    return handler


def opening(created: float, level: int, event: str) -> str:
    """Begins a line of JSON, up to the event.

    Args:
        created: As in `EventRecord`.
        level: As in `EventRecord`.
        event: As it stands between the quotation marks: escaped where that is needed.
    """
    # The brace apart: twice in a row, as f-strings want it, it is an opening one of templates.
    return (
        "{" + f'"timestamp":"{timestamp(created)}","level":"{level_name(level)}","event":"{event}"'
    )


def text(value: Any) -> str:
    """Writes JSON; what would control a terminal is escaped."""
    return escaped(orjson.dumps(value).decode())


def escaped(json: str) -> str:
    """Escapes what JSON does not ask for, but would control a terminal."""
    if json.isascii() and "\x7f" not in json:
        return json
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", json)


def timestamp(created: float) -> str:
    """Writes a time, given in seconds since the epoch."""
    second = int(created)
    return f"{until_second(second)}.{int((created - second) * 1e6):06}Z"


@lru_cache(maxsize=1)
def until_second(second: int) -> str:
    """The timestamp of a line, given in seconds since the epoch, without fractions and zone."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@cache
def level_name(level: int) -> str:
    """The name of a level, as lines have it."""
    return logging.getLevelName(level).lower()


def _line(record: EventRecord) -> bytes:
    start = opening(record.created, record.levelno, text(record.msg)[1:-1])
    return (start + ("," if record.fields else "") + text(record.fields)[1:] + "\n").encode()


def _unwritten(error: Exception) -> bytes:
    """What is written for a line that `error` keeps from being made."""
    start = opening(time(), logging.ERROR, _UNWRITTEN)
    return (start + "," + text({"error": type(error).__name__})[1:] + "\n").encode()


class _Turn(AbstractContextManager[None]):
    """A process's turn to write where several write; it ends with the process at the latest.

    Locks of the other kind (`flock`) are of what is open, which the processes have in common.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __enter__(self) -> None:
        with suppress(OSError):  # Where there are no locks, nobody takes turns.
            fcntl.lockf(self._stream, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            fcntl.lockf(self._stream, fcntl.LOCK_UN)


def _takes_in_parts(stream: Any) -> bool:
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except (OSError, ValueError):  # It is none of the system's, or closed.
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _write(stream: Any, lines: bytes) -> None:
    rest = memoryview(lines)
    while rest:
        written = stream.write(rest)
        if written is None:  # It does not block, and is full.
            select.select([], [stream], [])
        else:
            rest = rest[written:]


def _ignore(_: int) -> None:
    pass

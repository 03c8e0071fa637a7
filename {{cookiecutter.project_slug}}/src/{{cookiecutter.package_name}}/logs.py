"""One pipe for all log lines, ours and the libraries': JSON for machines, text for people.

Modules log with the standard library; what they pass as `extra` becomes fields of the line, and
so do the request id of a call and what `structlog.contextvars` holds.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache, lru_cache
from time import time
from typing import Any, BinaryIO, Literal

import orjson

from .grpc_log import keep_metadata_out

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""Of the call that the running task serves: all that is logged meanwhile has it."""

_DELAY = 0.02
"""Seconds that the line of a call may wait for others."""


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
            **_STANDARD_ATTRIBUTES,
            **fields,
            "name": logger.name,
            "levelno": level,
            "levelname": logging.getLevelName(level),
            "msg": event,
            "created": created,
        }
        self.fields = fields


_STANDARD_ATTRIBUTES = logging.LogRecord("", logging.NOTSET, __file__, 0, "", (), None).__dict__


def configure_logging(level: str, log_format: Literal["json", "console"] | None) -> None:
    """Sends every line of this process to standard error, in one format.

    Args:
        level: The least severe messages that are logged.
        log_format: None takes `console` on a terminal and `json` elsewhere.
    """
    # gRPC's core writes lines of its own to standard error, past Python's logging.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    if log_format is None:
        log_format = "console" if sys.stderr.isatty() else "json"
    handler: logging.Handler
    if log_format == "json":
        handler = JsonPipe(sys.stderr.buffer)
        handler.setFormatter(_JsonFormatter())
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(_console_formatter())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.captureWarnings(True)
    keep_metadata_out()


class JsonPipe(logging.Handler):
    """Writes a line for each record, in their order.

    The lines of calls wait for each other a little, so that one write takes many: writing lets go
    of the interpreter lock, which gRPC's thread then takes, and that costs more than all else that
    there is to do for a line. Any other line, and the end of the process, writes them at once.
    """

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        # One that any thread may append to while another one takes from it.
        self._pending: deque[tuple[Callable[[Any], bytes], Any]] = deque()
        self._flushed_by: asyncio.AbstractEventLoop | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether there are lines that have not been written."""
        return bool(self._pending)

    def write_later(self, render: Callable[[Any], bytes], values: Any) -> None:
        """Writes the line that `render` makes of `values`, when others are to be written too."""
        self._pending.append((render, values))
        try:
            loop = asyncio.get_running_loop()
            if loop is not self._flushed_by:
                self._flushed_by = loop
                loop.call_later(_DELAY, self.flush)
        except RuntimeError:  # no event loop runs in this thread
            self.flush()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if isinstance(record, EventRecord):
                self.write_later(_line, record)
            else:
                line = self.format(record).encode() + b"\n"
                self.flush()
                self._stream.write(line)
                self._stream.flush()
        except Exception:  # as logging's own handlers: a line that fails must not fail the call
            self.handleError(record)

    def flush(self) -> None:
        with self.lock or nullcontext():
            self._flushed_by = None
            lines = []
            while self._pending:
                render, values = self._pending.popleft()
                try:
                    lines.append(render(values))
                except Exception as error:  # the others are written all the same
                    lines.append(_unwritten(error))
            if lines:
                self._stream.write(b"".join(lines))
                self._stream.flush()


def pipe_of(logger: logging.Logger, level: int) -> JsonPipe | None:
    """Tells where lines of `level` go, if it is nowhere but to a pipe that writes all of them."""
    while logger.parent is not None:
        if logger.handlers or logger.filters or not logger.propagate:
            return None
        logger = logger.parent
    if len(logger.handlers) != 1:
        return None
    (handler,) = logger.handlers
    if not isinstance(handler, JsonPipe) or handler.filters or level < handler.level:
        return None
    return handler


def opening(created: float, level: int, event: str) -> str:
    """Begins a line of JSON, up to the event.

    Args:
        created: As in `EventRecord`.
        level: As in `EventRecord`.
        event: As it stands between the quotation marks: escaped where that is needed.
    """
    second = int(created)
    microseconds = int((created - second) * 1e6)
    timestamp = f"{until_second(second)}.{microseconds:06}Z"
    # The brace apart: twice in a row, as f-strings want it, it is an opening one of templates.
    return "{" + f'"timestamp":"{timestamp}","level":"{_level_name(level)}","event":"{event}"'


def text(value: Any) -> str:
    """Writes JSON."""
    return orjson.dumps(value).decode()


@lru_cache(maxsize=1)
def until_second(second: int) -> str:
    """The timestamp of a line, given in seconds since the epoch, without fractions and zone."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@cache
def _level_name(level: int) -> str:
    return logging.getLevelName(level).lower()


def _line(record: EventRecord) -> bytes:
    start = opening(record.created, record.levelno, text(record.msg)[1:-1])
    return (start + ("," if record.fields else "") + text(record.fields)[1:] + "\n").encode()


def _unwritten(error: Exception) -> bytes:
    """What is written for a line that `error` keeps from being made."""
    start = opening(time(), logging.ERROR, "a log line could not be written")
    return (start + "," + text({"error": ascii(error)})[1:] + "\n").encode()


class _JsonFormatter(logging.Formatter):
    """Writes a record with all that its `extra` and `structlog.contextvars` say."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": _timestamp(record),
            "level": _level_name(record.levelno),
            "event": record.getMessage(),
            "logger": record.name,
            **_context(),
            **{key: value for key, value in vars(record).items() if key not in _NO_EXTRA},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        return orjson.dumps(line, repr, orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z).decode()


# What every record has, and what formatters and uvicorn (for terminals) add.
_NO_EXTRA = {*_STANDARD_ATTRIBUTES, "asctime", "color_message", "message", "taskName"}


def _console_formatter() -> logging.Formatter:
    # Here: it is for development, and takes a fifteenth of the time that a service needs to start.
    import structlog

    def add_context(_logger: Any, _name: str, event: Any) -> Any:
        return {"timestamp": _timestamp(event["_record"]), **event, **_context()}

    def without_colors(_logger: Any, _name: str, event: Any) -> Any:
        event.pop("color_message", None)
        return event

    # On Windows, structlog has colors only with a package that is not here.
    colors = sys.stderr.isatty() and sys.platform != "win32"
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            add_context,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            without_colors,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.dev.ConsoleRenderer(colors=colors),
        ],
    )


def _timestamp(record: logging.LogRecord) -> str:
    second = int(record.created)
    return f"{until_second(second)}.{int((record.created - second) * 1e6):06}Z"


def _context() -> dict[str, Any]:
    """What every line says that is logged in the running task."""
    # Whoever has bound anything has imported it.
    contextvars = sys.modules.get("structlog.contextvars")
    context = {} if contextvars is None else contextvars.get_contextvars()
    request_id = REQUEST_ID.get()
    return {**context, "request_id": request_id} if request_id else context

"""One pipe for all log lines, ours and the libraries': JSON for machines, text for people.

Modules log with the standard library; what they pass as `extra` becomes fields of the line, and
so does what `structlog.contextvars` holds, such as the request id of a call.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any, BinaryIO, Literal

import orjson
import structlog
from structlog.typing import EventDict

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
        fields: What else the line says.
    """

    __slots__ = ("fields",)

    def __init__(
        self, logger: logging.Logger, level: int, event: str, fields: Mapping[str, Any]
    ) -> None:
        self.__dict__ = {
            **_STANDARD_ATTRIBUTES,
            **fields,
            "name": logger.name,
            "levelno": level,
            "levelname": logging.getLevelName(level),
            "msg": event,
            "created": time.time(),
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
        handler = _JsonHandler(sys.stderr.buffer)
        renderers: list[Any] = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(_dumps),
        ]
    else:
        handler = logging.StreamHandler()
        # On Windows, structlog has colors only with a package that is not here.
        colors = sys.stderr.isatty() and sys.platform != "win32"
        renderers = [structlog.dev.ConsoleRenderer(colors=colors)]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                _with_timestamp,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.ExtraAdder(),
                _without_colors,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.captureWarnings(True)


class _JsonHandler(logging.Handler):
    """Writes a line for each record, in their order.

    The lines of calls wait for each other a little, so that one write takes many: writing lets go
    of the interpreter lock, which gRPC's thread then takes, and that costs more than all else that
    there is to do for a line. Any other line, and the end of the process, writes them at once.
    """

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._pending: list[EventRecord] = []
        self._flushed_by: asyncio.AbstractEventLoop | None = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if isinstance(record, EventRecord):
                self._pending.append(record)
                loop = asyncio.get_running_loop()
                if loop is not self._flushed_by:
                    self._flushed_by = loop
                    loop.call_later(_DELAY, self.flush)
            else:
                line = self.format(record).encode() + b"\n"
                self.flush()
                self._stream.write(line)
                self._stream.flush()
        except RuntimeError:  # no event loop runs in this thread
            self.flush()
        except Exception:  # as logging's own handlers: a line that fails must not fail the call
            self.handleError(record)

    def flush(self) -> None:
        with self.lock or nullcontext():
            self._flushed_by = None
            records, self._pending = self._pending, []
            if records:
                self._stream.write(b"".join(map(_line, records)))
                self._stream.flush()


def _line(record: EventRecord) -> bytes:
    line = {
        "timestamp": datetime.fromtimestamp(record.created, UTC),
        "level": record.levelname.lower(),
        "event": record.msg,
        **record.fields,
    }
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z)


def _dumps(event: EventDict, default: Any) -> str:
    return orjson.dumps(event, default, orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z).decode()


def _with_timestamp(_logger: Any, _name: str, event: EventDict) -> EventDict:
    created = datetime.fromtimestamp(event["_record"].created, UTC)
    return {"timestamp": created.isoformat(timespec="microseconds").replace("+00:00", "Z"), **event}


def _without_colors(_logger: Any, _name: str, event: EventDict) -> EventDict:
    # uvicorn adds its message a second time, for terminals.
    event.pop("color_message", None)
    return event

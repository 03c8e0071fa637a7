"""One pipe for all log lines, ours and the libraries': JSON for machines, text for people.

Modules log with the standard library, or with structlog; what they pass as `extra`, or bind,
becomes fields of the line, and so do the request id of a call and what `structlog.contextvars`
holds.
"""

from __future__ import annotations

import importlib.abc
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Literal

import orjson

from .log_pipe import STANDARD_ATTRIBUTES, JsonLinesHandler, Pipe, escaped, level_name, timestamp
from .tracebacks import short_traceback

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""Of the call that the running task serves: all that is logged meanwhile has it."""

logger = logging.getLogger("polyrpc.logs")

_TAKEN = "fields_with_taken_names"
# What `logging` takes no `extra` for: what every record has, and what its formatters add.
_RESERVED = {*STANDARD_ATTRIBUTES, "asctime", "message"}
# Besides, what uvicorn adds for terminals.
_NO_EXTRA = {*_RESERVED, "color_message", "taskName", _TAKEN}
_OWN = frozenset(("timestamp", "level", "event", "logger", "exception", "stack"))
_LEVEL_COLORS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "31;1"}


def configure_logging(
    level: str, log_format: Literal["json", "console"] | None, *, shared: bool = False
) -> None:
    """Sends every line of this process to standard error, in one format.

    Args:
        level: The least severe messages that are logged.
        log_format: None takes `console` on a terminal and `json` elsewhere.
        shared: Other processes of the service write there, too.
    """
    # gRPC's core writes lines of its own to standard error, past Python's logging.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    at_terminal = sys.stderr.isatty()
    if log_format is None:
        log_format = "console" if at_terminal else "json"
    handler: Pipe
    if log_format == "json":
        handler = JsonLinesHandler(sys.stderr.buffer, shared=shared)
        handler.setFormatter(_JsonFormatter())
    else:
        handler = Pipe(sys.stderr.buffer, shared=shared)
        handler.setFormatter(_ConsoleFormatter(colors=at_terminal and sys.platform != "win32"))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.captureWarnings(True)
    logging.getLogger("grpc._cython.cygrpc").addFilter(without_metadata)
    _take_fields_of_any_name()
    _configure_structlog()
    # Python's own would write to standard error, and wait for whoever reads it.
    sys.excepthook = lambda *exc_info: logger.critical("uncaught exception", exc_info=exc_info)
    sys.unraisablehook = lambda failed: _log_ignored(failed.exc_value)
    threading.excepthook = lambda failed: _log_ignored(failed.exc_value)


def dropped_lines() -> int:
    """How many log lines of this process nobody will ever read."""
    return sum(getattr(handler, "dropped", 0) for handler in logging.getLogger().handlers)


def on_drop(count: Callable[[int], object]) -> None:
    """Has `count` called with the number of lines whenever some are dropped."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, Pipe):
            handler.on_drop = count


class _Formatter(logging.Formatter):
    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        return short_traceback(ei)

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """All that the context and the `extra` of a record say."""
        extra = {key: value for key, value in vars(record).items() if key not in _NO_EXTRA}
        extra |= vars(record).get(_TAKEN, {})
        # None takes the place of what the line itself says.
        return {**_context(), **{f"{key}_" if key in _OWN else key: extra[key] for key in extra}}


class _JsonFormatter(_Formatter):
    """Writes a record with all that its `extra` and `structlog.contextvars` say."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": timestamp(record.created),
            "level": level_name(record.levelno),
            "event": record.getMessage(),
            "logger": record.name,
            **self.fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        try:
            options = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z
            return escaped(orjson.dumps(line, repr, options).decode())
        except TypeError:  # half a surrogate pair, a number of more than 64 bits, …
            return json.dumps({str(key): _plain(value) for key, value in line.items()})


class _ConsoleFormatter(_Formatter):
    """Writes a record for people.

    Args:
        colors: Whether whatever shows it knows colors.
    """

    def __init__(self, *, colors: bool) -> None:
        super().__init__()
        self._colors = colors

    def format(self, record: logging.LogRecord) -> str:
        level = level_name(record.levelno)
        line = " ".join(
            [
                self._in("2", timestamp(record.created)),
                f"[{self._in(_LEVEL_COLORS.get(level, '0'), f'{level:<8}')}]",
                self._in("1", f"{_printable(record.getMessage()):<30}"),
                self._in("34", f"[{_printable(record.name)}]"),
                *(
                    f"{self._in('36', _printable(str(key)))}={_printable(_shown(value))}"
                    for key, value in self.fields(record).items()
                ),
            ]
        )
        if record.exc_info:
            line += "\n" + _printable(self.formatException(record.exc_info), lines=True)
        if record.stack_info:
            line += "\n" + _printable(record.stack_info, lines=True)
        return line

    def _in(self, color: str, text: str) -> str:
        return f"\x1b[{color}m{text}\x1b[0m" if self._colors else text


def _shown(value: Any) -> str:
    return value if isinstance(value, str) and value and " " not in value else repr(value)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | None) else repr(value)


def _printable(text: str, *, lines: bool = False) -> str:
    """Escapes what would control a terminal; of `lines`, all but their ends."""
    if text.isprintable():
        return text
    if lines:
        return "\n".join(map(_printable, text.expandtabs(4).split("\n")))
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode()
        for char in text
    )


def _context() -> dict[str, Any]:
    """What every line says that is logged in the running task."""
    # Whoever has bound anything has imported it.
    contextvars = sys.modules.get("structlog.contextvars")
    context = {} if contextvars is None else contextvars.get_contextvars()
    request_id = REQUEST_ID.get()
    return {**context, "request_id": request_id} if request_id else context


def _log_ignored(error: BaseException | None) -> None:
    # Threads end with SystemExit as they like.
    if error is not None and not isinstance(error, SystemExit):
        logger.error("exception that nobody catches", exc_info=error)


def _take_fields_of_any_name() -> None:
    """Has `logging` take an `extra` that is named like an attribute of its records, as `name` is.

    It is one's own field all the same, and a KeyError would fail the call that logs it.
    """
    make_record = logging.Logger.makeRecord
    if getattr(make_record, _TAKEN, False):
        return

    def make(
        self: logging.Logger,
        name: str,
        level: int,
        fn: str,
        lno: int,
        msg: object,
        args: Any,
        exc_info: Any,
        func: str | None = None,
        extra: Mapping[str, object] | None = None,
        sinfo: str | None = None,
    ) -> logging.LogRecord:
        taken = {key: value for key, value in (extra or {}).items() if key in _RESERVED}
        rest = {key: value for key, value in (extra or {}).items() if key not in taken}
        record = make_record(
            self, name, level, fn, lno, msg, args, exc_info, func, rest or None, sinfo
        )
        if taken:
            record.__dict__[_TAKEN] = taken
        return record

    setattr(make, _TAKEN, True)
    logging.Logger.makeRecord = make  # type: ignore[method-assign]  # the purpose of this function


def _configure_structlog() -> None:
    """Has structlog's loggers write to `logging`, as soon as it is imported."""
    if "structlog" in sys.modules:
        _lead_into_logging(sys.modules["structlog"])
    elif not any(isinstance(finder, _StructlogFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _StructlogFinder())


def _lead_into_logging(structlog: Any) -> None:
    if structlog.is_configured():  # by the team
        return

    def for_logging(logger: Any, method: str, event: dict[str, Any]) -> tuple[Any, Any]:
        # Texts that do not fit their arguments must not raise: `logging` puts the two together.
        arguments = event.pop("positional_args", ())
        keywords = structlog.stdlib.render_to_log_kwargs(logger, method, event)
        return (keywords.pop("msg"), *arguments), keywords

    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, for_logging],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


class _StructlogFinder(importlib.abc.MetaPathFinder):
    """Waits for the import of structlog, which takes longer than a start should for nothing."""

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        """Follows `importlib.abc.MetaPathFinder.find_spec`."""
        if fullname != "structlog" or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            execute = loader.exec_module

            def execute_and_configure(module: ModuleType) -> None:
                execute(module)
                _lead_into_logging(module)

            loader.exec_module = execute_and_configure
        return spec


def without_metadata(record: logging.LogRecord) -> bool:
    """Has gRPC's logger say that a value of metadata is not UTF-8, but not the value."""
    if record.msg == "Invalid encoding on %s":
        record.msg, record.args, record.exc_info = "A value of metadata is not UTF-8", (), None
        record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
    return True

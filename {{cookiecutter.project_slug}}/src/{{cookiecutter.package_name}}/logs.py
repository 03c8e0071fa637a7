"""One pipe for all log lines, ours and the libraries': JSON for machines, text for people.

Modules log with the standard library; what they pass as `extra` becomes fields of the line.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal

import structlog
from esmerald.core.config.logging import LoggingConfig
from structlog.typing import EventDict


class UnchangedLogging(LoggingConfig):
    """Makes Esmerald log through whatever the process has configured."""

    def __init__(self) -> None:
        super().__init__(skip_setup_configure=True)

    def get_logger(self) -> logging.Logger:
        """Follows Esmerald's `LoggingConfig`."""
        return logging.getLogger("esmerald")


def configure_logging(level: str, log_format: Literal["json", "console"] | None) -> None:
    """Sends every line of this process to standard error, in one format.

    Args:
        level: The least severe messages that are logged.
        log_format: None takes `console` on a terminal and `json` elsewhere.
    """
    if log_format is None:
        log_format = "console" if sys.stderr.isatty() else "json"
    renderers: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if log_format == "json"
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                _without_colors,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.captureWarnings(True)


def _without_colors(_logger: Any, _name: str, event: EventDict) -> EventDict:
    # uvicorn adds its message a second time, for terminals.
    event.pop("color_message", None)
    return event

"""What gRPC itself logs, without what callers send."""

from __future__ import annotations

import logging

_LOGGER = logging.getLogger("grpc._cython.cygrpc")
_WITH_VALUE = "Invalid encoding on %s"


def keep_metadata_out() -> None:
    """Has gRPC's logger say that a value of metadata is not UTF-8, but not the value."""
    _LOGGER.addFilter(_without_value)


def _without_value(record: logging.LogRecord) -> bool:
    if record.msg == _WITH_VALUE:
        record.msg, record.args, record.exc_info = "A value of metadata is not UTF-8", (), None
        record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
    return True

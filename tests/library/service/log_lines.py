"""What a service of this process logs, as its reader would have it."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from polyrpc.logs import configure_logging

Lines = Callable[[], list[dict[str, Any]]]


@contextmanager
def logging_to_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """Configures the log for a while; what it gives returns all lines so far."""
    stderr = io.BytesIO()
    as_text = io.TextIOWrapper(stderr)
    monkeypatch.setattr(sys, "stderr", as_text)
    monkeypatch.setenv("GRPC_VERBOSITY", "NONE")
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging("info", "json")
    (pipe,) = root.handlers

    def lines() -> list[dict[str, Any]]:
        pipe.flush()
        return [json.loads(line) for line in stderr.getvalue().splitlines()]

    yield lines
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    as_text.detach()

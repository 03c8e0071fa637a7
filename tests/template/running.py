"""Runs a generated service from the environment of its own tests."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from baking import SCRIPTS


@contextmanager
def running(project: Path, *arguments: str, **settings: str) -> Iterator[int]:
    """Starts the service on free ports, with these settings; gives that of HTTP.

    Args:
        project: The service.
        arguments: Of Python, if they are others than those that run it.
        settings: Without the prefix of their variables.

    Raises:
        StopIteration: It ended before it listened.
    """
    values = {"HTTP_PORT": "0", "GRPC_PORT": "0", "LOG_FORMAT": "json", **settings}
    python = project / ".nox" / "tests" / SCRIPTS / "python"
    process = subprocess.Popen(
        [python, *(arguments or ("-m", "greeter_service"))],
        env={**os.environ, **{f"GREETER_SERVICE_{name}": values[name] for name in values}},
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stderr is not None
    try:
        events = map(json.loads, process.stderr)
        yield next(event["http_port"] for event in events if "http_port" in event)
    finally:
        process.terminate()
        process.communicate()

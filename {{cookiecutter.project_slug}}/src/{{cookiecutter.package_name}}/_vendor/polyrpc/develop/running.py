"""The process of the service, one at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

SECONDS_TO_STOP = 10.0
# A developer waits for it: no drain, and streams that are open are soon cut.
DEFAULTS = {"LOG_FORMAT": "console", "DRAIN_SECONDS": "0", "SHUTDOWN_GRACE_SECONDS": "1"}


class Running:
    """A service that is started and stopped over and over.

    Args:
        package: What `python -m` runs.
        prefix: Of its settings' variables.
    """

    def __init__(self, package: str, prefix: str) -> None:
        self._package = package
        self.prefix = prefix
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, environment: Mapping[str, str]) -> None:
        """Stop what runs, and run what is there now."""
        self.stop()
        defaults = {f"{self.prefix}{name}": value for name, value in DEFAULTS.items()}
        variables = {**defaults, **environment}
        # The library was found there by whoever started this; the service has its own way.
        library = str(Path(__file__).parents[2])
        paths = variables.pop("PYTHONPATH", "").split(os.pathsep)
        if others := [path for path in paths if path and Path(path).absolute() != Path(library)]:
            variables["PYTHONPATH"] = os.pathsep.join(others)
        # S603: the service itself; no shell sees it. It has the terminal, also for a debugger.
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", self._package], env=variables
        )

    def ended(self) -> int | None:
        """Return its exit status, once, if it has ended by itself."""
        status = self._process.poll() if self._process else None
        if status is not None:
            self._process = None
        return status

    def stop(self) -> None:
        """Ask it to stop, and wait until it has."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

"""`python -m polyrpc.develop PACKAGE` runs a service, anew whenever its files change."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from watchfiles import watch

from .changes import NAME, EnvironmentFileError, Files, NotRunnableError, with_file
from .running import Running

MILLISECONDS = 200  # how soon it is noticed that a process has ended, or `.env` has changed


def main() -> None:
    """Run until Ctrl-C or SIGTERM. What cannot be run leaves what runs as it is."""
    (package,) = sys.argv[1:]
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    files = Files(Path.cwd())
    running = Running(package, f"{package.upper()}_")
    changes = watch(
        *files.folders,
        watch_filter=files.count,
        stop_event=over,
        rust_timeout=MILLISECONDS,
        yield_on_timeout=True,
    )
    try:
        start(files, running, files.all_protos())
        for change in changes:
            saved = [*sorted({Path(path) for _, path in change}), *files.changed_environment()]
            if saved:
                names = (path.relative_to(files.root).as_posix() for path in saved)
                say(f"changed: {', '.join(names)}")
                start(files, running, saved)
            elif (status := running.ended()) is not None:
                say(f"it ended with status {status}; the next change starts it again")
    finally:
        running.stop()


def start(files: Files, running: Running, changed: Sequence[Path]) -> None:
    """Start the service anew, or say why it stays as it is."""
    try:
        files.prepare(changed)
        environment = with_file(files.root, os.environ)
    except (NotRunnableError, EnvironmentFileError) as error:
        say(f"not started anew: {error}")
    except OSError as error:
        say(f"not started anew: {error.filename or NAME} cannot be read: {error.strerror}")
    else:
        port = environment.get(f"{running.prefix}HTTP_PORT", "8000")
        say(f"starting, with http://localhost:{port}/docs/swagger; Ctrl-C ends it")
        running.start(environment)


def say(text: str) -> None:
    """Print a line that is not the service's."""
    print(f"dev: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

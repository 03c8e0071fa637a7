"""One of several processes that serve.

Supervisor and worker talk through a socket pair, in lines. Its end is the supervisor's end.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from operator import attrgetter
from typing import Any

from ..logs import configure_logging
from ..settings import ServiceSettings
from ..tracebacks import show_frames_of
from .server import Server
from .signals import exit_statuses, on_signals, run_loop, spare_what_stays

READY = b"ready\n"
"""To the supervisor: calls are answered from now on."""

ALIVE = b"alive\n"
"""To the supervisor, every `BEAT_SECONDS` from then on: the event loop runs."""

BEAT_SECONDS = 1.0

STOP = b"stop\n"
"""To the worker: the whole service ends; drain and stop."""

RETIRE = b"retire\n"
"""To the worker: others go on serving; stop without a drain."""

NOW = b"now\n"
"""To the worker that stops already: it takes too long."""


def reference(thing: Any) -> str:
    """Names a function or class of a module, so that another process finds it."""
    return f"{thing.__module__}:{thing.__qualname__}"


def main() -> None:
    """Runs a worker.

    Its arguments are references to `create_app` and to the class of the settings, and the file
    descriptors of its sockets.
    """
    create_app, settings_class, *descriptors = sys.argv[1:]
    with exit_statuses():
        settings: ServiceSettings = _referred(settings_class)()
        configure_logging(settings.log_level, settings.log_format, shared=True)
        show_frames_of(create_app.partition(":")[0])
        sockets = [socket.socket(fileno=int(descriptor)) for descriptor in descriptors]
        run_loop(lambda: work(_referred(create_app), settings, *sockets))


def _referred(text: str) -> Any:
    module, _, name = text.partition(":")
    return attrgetter(name)(import_module(module))


async def work(
    create_app: Callable[[Any], Any],
    settings: ServiceSettings,
    supervisor: socket.socket,
    http_listener: socket.socket,
    admin_listener: socket.socket | None = None,
) -> None:
    """Serves until the supervisor says otherwise, or a signal does.

    Raises:
        PortError: gRPC cannot listen.
        SettingsError: The TLS files are no good.
    """
    commands, answers = await asyncio.open_connection(sock=supervisor)
    signals = on_signals(signal.SIGINT, signal.SIGTERM)
    server = Server(create_app(settings), http_listener, admin_listener)
    stop = asyncio.create_task(_first_of(commands, signals))
    if not await server.start_unless(stop):
        return
    answers.write(READY)
    spare_what_stays()
    beats = asyncio.create_task(_beat(answers))
    command = await stop
    await server.end(_hurry(commands), retire=command == RETIRE)
    beats.cancel()


async def _beat(answers: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):  # A supervisor that has gone is noticed by its commands' end.
        while True:
            answers.write(ALIVE)
            await answers.drain()
            await asyncio.sleep(BEAT_SECONDS)


async def _first_of(
    commands: asyncio.StreamReader, signals: asyncio.Queue[signal.Signals]
) -> bytes:
    command = asyncio.create_task(commands.readline())
    caught = asyncio.create_task(signals.get())
    await asyncio.wait({command, caught}, return_when=asyncio.FIRST_COMPLETED)
    caught.cancel()
    if command.done():
        return command.result()
    command.cancel()
    return STOP


async def _hurry(commands: asyncio.StreamReader) -> None:
    # Signals do not count: a terminal or an init system sends them to the workers as well.
    while line := await commands.readline():
        if line == NOW:
            return
    await asyncio.Event().wait()

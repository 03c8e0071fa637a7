"""What every serving process does alike: signals, exit statuses, event loop, memory."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from ..metric_files import prepare
from ..server.sockets import PortError
from ..settings import ServiceSettings, SettingsError

logger = logging.getLogger("polyrpc.process")

STOP_SIGNALS: tuple[signal.Signals, ...] = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)
)
"""What asks a process to stop. On Windows, SIGBREAK is the one that other programs can send."""

RESTART_SIGNAL: signal.Signals | None = getattr(signal, "SIGHUP", None)
"""What asks for new workers; None on Windows."""


def open_standard_streams() -> None:
    """Puts the null device where standard streams are closed; to be called before all else.

    Otherwise the next file or socket would be taken for one: libuv aborts when it is to close it,
    and lines of the log would go to a client.
    """
    for descriptor, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest that is free, which this one is.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            stream = os.fdopen(descriptor, mode, errors="backslashreplace", closefd=False)
            setattr(sys, name, stream)


_AT_TERMINAL = os.isatty(2)


def terminal_is_gone() -> bool:
    """Whether the terminal where this process was started is closed: its SIGHUP asks for an end."""
    return _AT_TERMINAL and not os.isatty(2)


@contextmanager
def exit_statuses() -> Iterator[None]:
    """Turns what stops a start into lines on standard error, and an exit status.

    Raises:
        SystemExit: 2, a setting is wrong; 1, a port is taken, or anything else has failed, which
            is logged with its traceback; 0, a signal came too early for the event loop. A process
            whose id is 1 would ignore that one by default.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: sys.exit(0))
    if RESTART_SIGNAL is not None:
        signal.signal(RESTART_SIGNAL, lambda *_: None)
    try:
        yield
    except SettingsError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    except PortError as error:
        print(error.strerror, file=sys.stderr)
        raise SystemExit(1) from None
    except Exception as error:
        logger.critical("the service ends by %s", type(error).__name__, exc_info=True)
        raise SystemExit(1) from None


def on_signals(*numbers: signal.Signals) -> asyncio.Queue[signal.Signals]:
    """Makes a queue of the signals that arrive from now on."""
    signals = asyncio.Queue[signal.Signals]()
    loop = asyncio.get_running_loop()
    for number in numbers:
        try:
            loop.add_signal_handler(number, signals.put_nowait, number)
        except NotImplementedError:  # Windows
            signal.signal(
                number,
                lambda caught, _: loop.call_soon_threadsafe(
                    signals.put_nowait, signal.Signals(caught)
                ),
            )
    return signals


def log_start(
    settings: ServiceSettings, http_port: int, grpc_port: int, admin_port: int | None = None
) -> None:
    """Logs the line that tells people and scripts where the service is."""
    ports = {"http_port": http_port, "grpc_port": grpc_port, "admin_port": admin_port}
    extra = {name: port for name, port in ports.items() if port is not None}
    if settings.grpc_server == "none":
        logger.info("serving HTTP and gRPC on %s:%d", settings.http_host, http_port, extra=extra)
        return
    logger.info(
        "serving HTTP on %s:%d and gRPC on %s:%d",
        settings.http_host,
        http_port,
        settings.grpc_host,
        grpc_port,
        extra=extra,
    )


def spare_what_stays() -> None:
    """Has the garbage collector pass over all objects that there are, now that the service runs.

    They are modules and what hangs on them, and stay. Calls that allocate much bring it to go
    through all of them now and then, which takes 30 ms, in which nothing is answered.
    """
    gc.freeze()


def run_loop(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a serving process."""
    prepare()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ModuleNotFoundError:  # Windows
        return None
    return uvloop.new_event_loop

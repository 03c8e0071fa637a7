"""`run`: what `python -m` a service's package does."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from typing import Any

from ..logs import configure_logging
from ..settings import ServiceSettings
from ..tracebacks import show_frames_of
from .healthcheck import main as check_health
from .server import Server
from .signals import (
    RESTART_SIGNAL,
    STOP_SIGNALS,
    exit_statuses,
    log_start,
    on_signals,
    open_standard_streams,
    run_loop,
    spare_what_stays,
    terminal_is_gone,
)
from .supervisor import Supervisor

logger = logging.getLogger("polyrpc.process")


def run(create_app: Callable[[Any], Any], settings: type[ServiceSettings]) -> None:
    """Runs a service until it is told to stop.

    With the argument `healthcheck` it asks the one that runs how it is.

    With more than one worker, this process supervises: `create_app` and `settings` are then
    imported by their names in each worker, so they must stand in modules.

    Args:
        create_app: Makes the application of a `Service`, given the settings.
        settings: The class of the settings, which the environment sets.

    Raises:
        SystemExit: 2, a setting or an argument is wrong; 1, a port is taken, no worker starts, the
            service's own start code fails, or the service is not healthy. Standard error says
            which.
    """
    open_standard_streams()
    with exit_statuses():
        match sys.argv[1:]:
            case []:
                pass
            case ["healthcheck"]:
                check_health(settings)
                return
            case arguments:
                print(
                    f"{' '.join(arguments)!r} is no argument: without one the service runs, with "
                    f"'healthcheck' it is asked how it is; settings are {settings.prefix()}… "
                    "variables",
                    file=sys.stderr,
                )
                raise SystemExit(2)
        values = settings()
        configure_logging(values.log_level, values.log_format, shared=values.workers > 1)
        show_frames_of(create_app.__module__)
        for line in settings.unknown_variables():
            logger.warning("%s", line)
        if values.workers == 1:
            run_loop(lambda: serve(create_app, values))
            return
        raise SystemExit(asyncio.run(Supervisor(create_app, values).run()))


async def serve(create_app: Callable[[Any], Any], settings: ServiceSettings) -> None:
    """Serves until SIGTERM or SIGINT, then drains and stops; a second signal stops at once.

    Raises:
        PortError: A port is taken.
        SettingsError: The TLS files are no good.
    """
    signals = on_signals(*STOP_SIGNALS, *filter(None, [RESTART_SIGNAL]))
    server = Server(create_app(settings))
    stop = asyncio.create_task(_stop_of(signals))
    if await server.start_unless(stop):
        log_start(settings, server.http_port, server.grpc_port, server.admin_port)
        spare_what_stays()
        await stop
        await server.end(_stop_of(signals))
    logger.info("stopped")


async def _stop_of(signals: asyncio.Queue[signal.Signals]) -> None:
    while await signals.get() is RESTART_SIGNAL and not terminal_is_gone():
        logger.warning("SIGHUP replaces workers, of which there are none: the service goes on")

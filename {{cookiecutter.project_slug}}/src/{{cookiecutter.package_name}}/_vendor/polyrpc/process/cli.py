"""`python -m` this package: runs the service until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from ..settings import PREFIX, ServiceSettings
from .signals import (
    RESTART_SIGNAL,
    STOP_SIGNALS,
    exit_statuses,
    log_start,
    on_signals,
    open_standard_streams,
    run,
    terminal_is_gone,
)

logger = logging.getLogger(__package__)

# The supervisor of workers imports neither gRPC nor the application: those are its workers'.


def main() -> None:
    """Runs the service; or with the argument `healthcheck`, asks the one that runs how it is.

    Raises:
        SystemExit: 2, a setting or an argument is wrong; 1, a port is taken, no worker starts,
            the service is not healthy, or anything else has failed. Standard error says which.
    """
    open_standard_streams()
    with exit_statuses():
        match sys.argv[1:]:
            case []:
                pass
            case ["healthcheck"]:
                from .healthcheck import main as check_health

                check_health()
                return
            case arguments:
                print(
                    f"{' '.join(arguments)!r} is no argument: without one the service runs, with "
                    f"'healthcheck' it is asked how it is; settings are {PREFIX}… variables",
                    file=sys.stderr,
                )
                raise SystemExit(2)

        settings = ServiceSettings.from_environment()

        from ..logs import configure_logging

        configure_logging(settings.log_level, settings.log_format)
        for line in ServiceSettings.unknown_variables():
            logger.warning("%s", line)
        if settings.workers == 1:
            run(lambda: serve(settings))
            return

        from .supervisor import Supervisor

        raise SystemExit(asyncio.run(Supervisor(settings).run()))


async def serve(settings: ServiceSettings) -> None:
    """Serves until SIGTERM or SIGINT, then drains and stops; a second signal stops at once.

    Raises:
        PortError: A port is taken.
        SettingsError: The TLS files are no good.
    """
    from ..service import Service

    signals = on_signals(*STOP_SIGNALS, *filter(None, [RESTART_SIGNAL]))
    service = Service(settings)
    await service.start()
    log_start(settings, service.http_port, service.grpc_port, service.admin_port)
    await _stop_of(signals)
    await service.end(_stop_of(signals))
    logger.info("stopped")


async def _stop_of(signals: asyncio.Queue[signal.Signals]) -> None:
    while await signals.get() is RESTART_SIGNAL and not terminal_is_gone():
        logger.warning("SIGHUP replaces workers, of which there are none: the service goes on")


if __name__ == "__main__":
    main()

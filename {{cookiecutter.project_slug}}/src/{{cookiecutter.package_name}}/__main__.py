"""`python -m` this package: runs the service until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable

from .logs import configure_logging
from .service import Service
from .settings import Settings, SettingsError

logger = logging.getLogger(__name__)

StopRequests = asyncio.Queue[signal.Signals]


def main() -> None:
    """Runs the service.

    Raises:
        SystemExit: 2, a setting is wrong; 1, a port is taken. Standard error says which.
    """
    try:
        settings = Settings.from_environment()
        configure_logging(settings.log_level, settings.log_format)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve(settings))
    except SettingsError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        print(error.strerror or error, file=sys.stderr)
        raise SystemExit(1) from None


async def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then drains and stops; a second signal stops at once.

    Raises:
        OSError: A port is taken.
        SettingsError: The TLS files are no good.
    """
    stop_requests = _stop_requests()
    service = Service(settings)
    await service.start()
    logger.info(
        "serving HTTP on %s:%d and gRPC on %s:%d",
        settings.http_host,
        service.http_port,
        settings.grpc_host,
        service.grpc_port,
        extra={"http_port": service.http_port, "grpc_port": service.grpc_port},
    )
    await _first(service.wait(), stop_requests.get())
    logger.info("draining for %g seconds", settings.drain_seconds)
    await _first(service.drain(), stop_requests.get())
    logger.info("stopping")
    if await _first(stop_requests.get(), service.stop()):
        await service.stop_now()
    logger.info("stopped")


async def _first(one: Awaitable[object], other: Awaitable[object]) -> bool:
    """Waits for whichever ends first, and cancels the other.

    Returns:
        Whether it was `one`.
    """
    tasks = [asyncio.ensure_future(one), asyncio.ensure_future(other)]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    for task in done:
        task.result()
    return tasks[0] in done


def _stop_requests() -> StopRequests:
    requests = StopRequests()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, requests.put_nowait, number)
        except NotImplementedError:  # Windows
            signal.signal(
                number,
                lambda caught, _: loop.call_soon_threadsafe(
                    requests.put_nowait, signal.Signals(caught)
                ),
            )
    return requests


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ModuleNotFoundError:  # Windows
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    main()

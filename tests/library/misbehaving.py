"""Services whose own code goes wrong, each in the way that the variable `HOW` names.

`python -m misbehaving` runs one.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from greeter.app import GreeterService
from greeter.app import create_app as create_greeter
from greeter.settings import Settings
from polyrpc import Health

logger = logging.getLogger("misbehaving")
HOW = os.environ.get("HOW", "")


class OwnError(Exception):
    """What goes wrong."""


class Servicer(GreeterService):
    def __init__(self, resources: None) -> None:
        self.resources = resources
        if HOW == "servicer":
            raise OwnError(HOW)


@asynccontextmanager
async def lifespan(_settings: Settings, health: Health) -> AsyncIterator[None]:
    if HOW == "lifespan":
        raise OwnError(HOW)
    if HOW == "start that waits":
        logger.info("waiting")
        await asyncio.Event().wait()
    if HOW == "check that hangs":
        health.watch("database", asyncio.Event().wait, every=0.1)
    yield
    if HOW == "end of the lifespan":
        raise OwnError(HOW)


async def background(_resources: None) -> None:
    if HOW == "background":
        raise OwnError(HOW)
    try:
        await asyncio.Event().wait()
    finally:
        if HOW == "end of the background":
            raise OwnError(HOW)
        if HOW == "background without an end":
            logger.info("going on")
            await asyncio.Event().wait()


async def coroutine() -> None:
    """Nobody awaits it."""


def create_app(settings: Settings | None = None) -> Any:
    tasks: list[Callable[..., Any]] = [background]
    if HOW == "coroutine":
        tasks = [coroutine()]  # type: ignore[list-item] # that is what is wrong
    return create_greeter(settings, servicers=[Servicer], lifespan=lifespan, background=tasks)


if __name__ == "__main__":
    import misbehaving
    from polyrpc import run

    # Workers import it by this name.
    run(misbehaving.create_app, Settings)

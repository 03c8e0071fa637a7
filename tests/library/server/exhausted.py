"""A process whose descriptors run out, while it serves; it logs to standard error."""

from __future__ import annotations

import asyncio
import logging
import resource

import conftest
from applications import echo
from wire import serving


async def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, hard))
    async with serving(echo) as port:
        print(port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    logging.basicConfig(format="%(name)s %(message)s")
    factories = conftest.pytest_asyncio_loop_factories()
    with asyncio.Runner(loop_factory=list(factories.values())[-1]) as runner:
        runner.run(main())

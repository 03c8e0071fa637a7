"""A process that serves `Calls`, for tests that measure its memory; it prints the port."""

from __future__ import annotations

import asyncio
import sys

import conftest
from applications import Calls
from wire import serving


async def main() -> None:
    http2 = "http2" in sys.argv
    async with serving(Calls(), read_timeout_seconds=2, http2=http2) as port:
        print(port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    factories = conftest.pytest_asyncio_loop_factories()
    with asyncio.Runner(loop_factory=list(factories.values())[-1]) as runner:
        runner.run(main())

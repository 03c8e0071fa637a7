"""The running service: the application behind its HTTP and gRPC listeners."""

from __future__ import annotations

import asyncio
from typing import Any, Self

from .app import create_app
from .lifespan import Lifespan
from .server import HttpServer, listen
from .settings import Settings
from .tls import ssl_context


class Service:
    """Starts, drains and stops both listeners. As an asynchronous context manager it runs.

    Args:
        settings: Where to listen, and how to stop.

    Attributes:
        http_port: The port that HTTP listens on, once started.
        grpc_port: The port that gRPC listens on, once started.

    Raises:
        SettingsError: The TLS files are no good.
    """

    def __init__(self, settings: Settings) -> None:
        self.http_port = settings.http_port
        self.grpc_port = settings.grpc_port
        self._settings = settings
        self._app: Any = create_app(settings)
        self._lifespan: Lifespan = self._app.state.lifespan
        self._server = HttpServer(self._app, ssl_context(settings), settings.shutdown_grace_seconds)
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Starts gRPC, then reports health, then accepts HTTP.

        Raises:
            OSError: A port is taken; then neither listener is left open.
        """
        listener = listen(self._settings.http_host, self._settings.http_port)
        try:
            await self._lifespan.start()
        except BaseException:
            listener.close()
            raise
        self.http_port = listener.getsockname()[1]
        self.grpc_port = self._lifespan.grpc_port
        self._serving = asyncio.create_task(self._server.serve([listener]))

    async def wait(self) -> None:
        """Waits until the HTTP server ends, which it does when it is stopped or fails."""
        if self._serving is not None:
            await asyncio.shield(self._serving)

    async def drain(self) -> None:
        """Reports that it will not be there much longer, and goes on serving for a while."""
        await self._lifespan.refuse_new_work()
        await asyncio.sleep(self._settings.drain_seconds)

    async def stop(self) -> None:
        """Accepts nothing more and waits for the calls in flight, as long as the settings say."""
        self._server.should_exit = True
        await asyncio.gather(self.wait(), self._lifespan.stop())

    async def stop_now(self) -> None:
        """Accepts nothing more and cancels the calls in flight."""
        self._server.should_exit = self._server.force_exit = True
        if self._serving is not None:
            self._serving.cancel()
        await self._lifespan.stop(grace=0)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

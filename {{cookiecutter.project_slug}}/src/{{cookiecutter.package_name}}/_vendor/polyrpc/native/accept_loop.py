"""A `grpc.aio` server that goes on accepting calls whatever the names of their methods are.

One call whose method name is not UTF-8 is enough to end the loop in which `grpc.aio` accepts calls;
it would then close its port and cut everybody's connections. Here another loop takes the place of
one that has ended: nobody notices, as gRPC's core keeps calls that come meanwhile.

`grpc.aio` cannot run the loop of a server twice. So that the loop of another server, which has no
port of its own, asks for the calls of the first one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # it has no types

logger = logging.getLogger("polyrpc.native")

_PAUSE_SECONDS = 1.0
_base: Any = cygrpc.AioServer


def make_server(
    handlers: Sequence[grpc.GenericRpcHandler],
    interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
    options: Sequence[tuple[str, Any]] = (),
) -> grpc.aio.Server:
    """Makes a server as `grpc.aio.server` does, with an accept loop that does not end.

    Args:
        handlers: Asked for the handler of each call. Nothing may be registered by name later: an
            RPC that is has a place of its own where its calls wait, which ends with a loop.
        interceptors: The first one is the outermost.
        options: Channel arguments.
    """
    return _make(_Server, handlers, interceptors, options)


def _make(
    core_class: type[Any],
    handlers: Sequence[grpc.GenericRpcHandler],
    interceptors: Sequence[grpc.aio.ServerInterceptor],
    options: Sequence[tuple[str, Any]] = (),
) -> grpc.aio.Server:
    # `grpc.aio.server` has no argument for it. Another thread that makes a server just now gets
    # the same class, which does no harm.
    cygrpc.AioServer = core_class
    try:
        server = grpc.aio.server(handlers=handlers, interceptors=interceptors, options=options)
    finally:
        cygrpc.AioServer = _base
    core: Any = getattr(server, "_server", None)
    if isinstance(core, _Server):
        core.handlers, core.interceptors = tuple(handlers), tuple(interceptors)
    return server


class _Server(_base):  # type: ignore[misc]  # the base class is compiled and has no types
    """The core of a `grpc.aio` server.

    Attributes:
        handlers: Those that it was made with.
        interceptors: Those that it was made with.
    """

    handlers: tuple[grpc.GenericRpcHandler, ...] = ()
    interceptors: tuple[grpc.aio.ServerInterceptor, ...] = ()
    _last_call: Any = None
    _answers: set[asyncio.Task[None]]

    async def _request_call(self) -> Any:
        self._last_call = await super()._request_call()
        return self._last_call

    async def _server_main_loop(self, started: asyncio.Future[bool]) -> None:
        self._answers = set()
        loop = super()._server_main_loop(started)
        while True:
            try:
                await loop
            except UnicodeDecodeError as error:
                self._answer(error.object)
            except Exception:
                logger.exception("The gRPC server has stopped to accept calls and begins again")
                await asyncio.sleep(_PAUSE_SECONDS)
            if not self.is_running():
                break
            loop = self._accept_elsewhere()
        self._last_call = None

    async def _accept_elsewhere(self) -> None:
        server = _make(_Substitute, self.handlers, self.interceptors)
        substitute: Any = getattr(server, "_server", None)
        substitute.source = self
        ended = substitute.ended = asyncio.get_running_loop().create_future()
        await server.start()
        try:
            await ended
        finally:
            await server.stop(None)

    def _answer(self, method: bytes) -> None:
        """Answers the call that has ended the loop: there is no such RPC."""
        task = asyncio.create_task(self._handle(self._last_call, method))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)
        self._last_call = None

    async def _handle(self, call: Any, method: bytes) -> None:
        # As the loop does with every other call.
        name = method.decode(errors="backslashreplace")
        loop = asyncio.get_running_loop()
        handling = cygrpc._handle_rpc(name, self, self.interceptors, call, loop, False)
        await cygrpc._schedule_rpc_coro(handling, call, loop, name)

    def resolve_handler(self, details: grpc.HandlerCallDetails) -> Any:
        """Finds the handler of a call (what `_handle_rpc` asks)."""
        found = (handler.service(details) for handler in self.handlers)
        return next((handler for handler in found if handler is not None), None)


class _Substitute(_base):  # type: ignore[misc]  # the base class is compiled and has no types
    """A server without a port whose loop accepts the calls of another one.

    Attributes:
        source: That other one.
        ended: Done when the loop has ended, with the reason if it had one.
    """

    source: Any
    ended: asyncio.Future[None]

    async def _request_call(self) -> Any:
        if not self.source.is_running():
            raise _SourceStoppedError
        return await self.source._request_call()

    async def _server_main_loop(self, started: asyncio.Future[bool]) -> None:
        try:
            await super()._server_main_loop(started)
        except _SourceStoppedError:
            self.ended.set_result(None)
        except BaseException as error:
            self.ended.set_exception(error)


class _SourceStoppedError(Exception):
    """There are no more calls to accept."""

"""A `grpc.aio` server that accepts calls with less work, whatever the names of their methods are.

Each RPC that is known has a loop of its own here, which awaits one call after the other. The loop
of `grpc.aio` waits for all of them at once: a task and a set of futures for each call, which takes
longer than all that the library puts around a small one.

One call whose method name is not UTF-8 is enough to end the loop in which `grpc.aio` accepts calls;
it would then close its port and cut everybody's connections. Here another loop takes the place of
one that has ended: nobody notices, as gRPC's core keeps calls that come meanwhile. Only RPCs that
are not known come to that loop.

`grpc.aio` cannot run the loop of a server twice. So that the loop of another server, which has no
port of its own, asks for the calls of the first one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # it has no types

from ..rpc.handlers import Handler, kind_of

logger = logging.getLogger("polyrpc.native")

_PAUSE_SECONDS = 1.0
_base: Any = cygrpc.AioServer


def make_server(
    registered: Mapping[str, Handler],
    other_handlers: grpc.GenericRpcHandler,
    options: Sequence[tuple[str, Any]],
) -> grpc.aio.Server:
    """Makes a server as `grpc.aio.server` does, with accept loops that do not end.

    Args:
        registered: Handlers by the full names of their RPCs. Nothing may be registered later.
        other_handlers: Asked for the handlers of all other RPCs.
        options: Channel arguments.
    """
    server = _make(_Server, other_handlers, options)
    core: Any = getattr(server, "_server", None)
    if isinstance(core, _Server):
        core.registered, core.other_handlers = registered, other_handlers
        core.add_registered_method_handlers(dict(registered))
    return server


def _make(
    core_class: type[Any],
    handlers: grpc.GenericRpcHandler,
    options: Sequence[tuple[str, Any]] = (),
) -> grpc.aio.Server:
    # `grpc.aio.server` has no argument for it. Another thread that makes a server just now gets
    # the same class, which does no harm.
    cygrpc.AioServer = core_class
    try:
        return grpc.aio.server(handlers=(handlers,), options=options)
    finally:
        cygrpc.AioServer = _base


class _Server(_base):  # type: ignore[misc]  # the base class is compiled and has no types
    """The core of a `grpc.aio` server.

    Attributes:
        registered: The handlers of the RPCs that have loops of their own.
        other_handlers: Asked for those of all others.
    """

    registered: Mapping[str, Handler]
    other_handlers: grpc.GenericRpcHandler
    _last_call: Any = None
    _calls: set[asyncio.Task[None]]
    _accepting: list[asyncio.Task[None]]
    _elsewhere: asyncio.Future[Any]

    async def _request_call(self) -> Any:
        self._last_call = await super()._request_call()
        return self._last_call

    async def _server_main_loop(self, started: asyncio.Future[bool]) -> None:
        self._calls = set()
        self._accepting = []
        self._elsewhere = asyncio.get_running_loop().create_future()
        await self._accept_others(started)
        await asyncio.gather(*self._accepting)

    def _make_request_call_future(self, method: bytes | None) -> asyncio.Future[Any]:
        # The loop of `grpc.aio` begins, and asks for what it is to wait for at each RPC.
        if method is None:
            future: asyncio.Future[Any] = super()._make_request_call_future(None)
            return future
        self._accepting.append(asyncio.create_task(self._accept(method)))
        return self._elsewhere

    async def _accept(self, method: bytes) -> None:
        """Accepts the calls of a registered RPC until the server stops."""
        name, loop, calls = method.decode(), asyncio.get_running_loop(), self._calls
        handler = self.registered[name]
        kind = kind_of(handler.request_streaming, handler.response_streaming)
        handle = getattr(cygrpc, f"_handle_{kind}_rpc")
        while self.is_running():
            try:
                call = await self._request_registered_call(method)
            except cygrpc._RequestCallError:  # The server stops.
                continue
            except Exception:
                await _pause()
                continue
            handling = cygrpc._schedule_rpc_coro(handle(handler, call, loop), call, loop, name)
            task = loop.create_task(handling)
            calls.add(task)  # The loop has but a weak reference to it.
            task.add_done_callback(calls.discard)

    async def _accept_others(self, started: asyncio.Future[bool]) -> None:
        """Accepts all other calls until the server stops."""
        loop = super()._server_main_loop(started)
        while True:
            try:
                await loop
            except UnicodeDecodeError as error:
                self._answer(error.object)
            except Exception:
                await _pause()
            if not self.is_running():
                break
            loop = self._accept_elsewhere()
        self._last_call = None

    async def _accept_elsewhere(self) -> None:
        server = _make(_Substitute, self.other_handlers)
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
        # As the loop does with every other call.
        name = method.decode(errors="backslashreplace")
        loop, call = asyncio.get_running_loop(), self._last_call
        handling = cygrpc._handle_rpc(name, self, (), call, loop, False)
        task = loop.create_task(cygrpc._schedule_rpc_coro(handling, call, loop, name))
        self._last_call = None
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    def resolve_handler(self, details: grpc.HandlerCallDetails) -> Any:
        """Finds the handler of a call (what `_handle_rpc` asks)."""
        return self.other_handlers.service(details)


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


async def _pause() -> None:
    """Tells of the exception that has ended a loop, and waits before the next one begins."""
    logger.exception("The gRPC server has stopped to accept calls and begins again")
    await asyncio.sleep(_PAUSE_SECONDS)


class _SourceStoppedError(Exception):
    """There are no more calls to accept."""

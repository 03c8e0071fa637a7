"""The one form in which every protocol runs a handler, however its author wrote it.

`grpc.aio` allows `async def` and plain `def`, `return`, `yield` and `context.write()`. Here each
becomes a coroutine function of the request (a message, or an asynchronous iterator of them) and a
`grpc.aio.ServicerContext`: one that returns the response, or one that writes all responses.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Any, TypeAlias

import grpc

from .sync_context import SyncServicerContext

Context = grpc.aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
RpcFunction = Callable[[Any, Context], Awaitable[Any]]

_END = object()


def kind_of(*streaming: bool) -> str:
    """What gRPC's names have for RPCs whose requests, and responses, stream: `unary_stream`."""
    return "_".join("stream" if each else "unary" for each in streaming)


def adapt(handler: Handler) -> RpcFunction:
    """Adapts the callable of `handler`.

    Returns:
        For a single response, a coroutine function that returns it; for streamed responses, one
        that sends each through `context.write()` and returns None.
    """
    function = getattr(handler, kind_of(handler.request_streaming, handler.response_streaming))
    if inspect.iscoroutinefunction(function):
        return function  # type: ignore[no-any-return]  # a coroutine function is a RpcFunction
    if handler.response_streaming:
        if inspect.isasyncgenfunction(function):
            return _write_all(function)
        return _in_thread(_write_all_blocking(function))
    return _in_thread(function)


def make_handler(
    kind: tuple[bool, bool],
    run: RpcFunction,
    deserialize: Callable[[bytes], Any] | None = None,
    serialize: Callable[[Any], bytes] | None = None,
) -> Handler:
    """Makes a handler.

    Args:
        kind: Whether requests and responses are streams.
        run: What it does.
        deserialize: Reads its requests; None: they are bytes.
        serialize: Writes its responses; None: they are bytes.
    """
    # The constructors' types know plain functions only, where grpc.aio takes coroutine functions.
    make: Any = getattr(grpc, f"{kind_of(*kind)}_rpc_method_handler")
    made: Handler = make(run, deserialize, serialize)
    return made


def _write_all(function: Callable[[Any, Context], Any]) -> RpcFunction:
    async def write_all(request: Any, context: Context) -> None:
        async with aclosing(function(request, context)) as responses:
            async for response in responses:
                await context.write(response)

    return write_all


def _write_all_blocking(
    function: Callable[[Any, SyncServicerContext], Iterator[Any]],
) -> Callable[[Any, SyncServicerContext], None]:
    def write_all(request: Any, context: SyncServicerContext) -> None:
        for response in function(request, context):
            context.write(response)

    return write_all


def _in_thread(function: Callable[[Any, SyncServicerContext], Any]) -> RpcFunction:
    def call(request: Any, context: SyncServicerContext) -> Any:
        try:
            return function(request, context)
        except StopIteration as error:  # Futures do not take it: nobody would hear of its end.
            raise RuntimeError("the handler raised StopIteration") from error

    async def run(request: Any, context: Context) -> Any:
        loop = asyncio.get_running_loop()
        if isinstance(request, AsyncIterator):
            request = _blocking(request, loop)
        sync_context = SyncServicerContext(context, loop)
        run_in_context = contextvars.copy_context().run
        try:
            return await loop.run_in_executor(None, run_in_context, call, request, sync_context)
        finally:
            sync_context.terminate()

    return run


def _blocking(requests: AsyncIterator[Any], loop: asyncio.AbstractEventLoop) -> Iterator[Any]:
    async def following() -> Any:
        return await anext(requests, _END)

    while (request := asyncio.run_coroutine_threadsafe(following(), loop).result()) is not _END:
        yield request

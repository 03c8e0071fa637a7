"""What every native gRPC call passes first, so that it behaves as the same call over HTTP does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from time import monotonic
from typing import Any, NoReturn, TypeAlias, cast

import grpc

from .behaviours import Behaviour, Context, behaviour
from .departure import Departure
from .failures import STOPPING, failure_of
from .methods import RpcMethod
from .status import CallFailed, status_code

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class NativeGuard(grpc.aio.ServerInterceptor):
    """The first interceptor of the `grpc.aio` server.

    It keeps the text of unexpected exceptions from callers, whom `grpc.aio` would send it, and
    sets the default timeout.

    Args:
        methods: The RPCs of the server.
        default_timeouts: Seconds for calls that come without a deadline, by full name of the RPC.
        departure: Through which all calls pass.
    """

    def __init__(
        self,
        methods: Iterable[RpcMethod],
        default_timeouts: Mapping[str, float | None],
        departure: Departure,
    ) -> None:
        self._departure = departure
        self._default_timeouts = default_timeouts
        self._known = {method.full_name for method in methods}
        # Interceptors that replace a handler put the same one in its place, as a rule.
        self._guards: dict[str, tuple[Handler, Handler]] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Follows `grpc.aio.ServerInterceptor.intercept_service`."""
        rpc = handler_call_details.method
        await self._departure.pass_gate()
        try:
            handler = await continuation(handler_call_details)
        except Exception as error:  # whatever an interceptor raises ends its own call only
            return _failing(failure_of(error, rpc, grpc.StatusCode.OK))
        if handler is None:
            return None
        known = self._guards.get(rpc)
        if known is not None and known[0] is handler:
            return known[1]
        guarded = self._guarded(handler, rpc)
        if rpc in self._known:
            self._guards[rpc] = handler, guarded
        return guarded

    def _guarded(self, handler: Handler, rpc: str) -> Handler:
        run = behaviour(handler)
        default_timeout = self._default_timeouts.get(rpc)
        deserialize = handler.request_deserializer or _unchanged
        serialize = handler.response_serializer or _unchanged

        async def guarded(request: Any, context: Context) -> Any:
            task = self._departure.enter()
            try:
                if not handler.request_streaming:
                    request = deserialize(request)
                response = await _within(default_timeout, run, request, context)
                if handler.response_streaming or _status(context) is not grpc.StatusCode.OK:
                    return b""
                return serialize(response)
            except grpc.aio.AbortError:
                raise
            except asyncio.CancelledError:
                if not self._departure.ended(task):
                    raise
                return await _tell_of_stop(context)
            except Exception as error:  # the caller is told no more than `failure` says
                failure = failure_of(error, rpc, _status(context))
            finally:
                self._departure.leave(task)
            return await context.abort(failure.code, failure.detail)

        return _handler_like(handler, guarded)


async def _within(seconds: float | None, run: Behaviour, request: Any, context: Context) -> Any:
    if seconds is None or context.time_remaining() is not None:
        return await run(request, context)
    timed = cast(Context, _TimedContext(context, monotonic() + seconds))
    try:
        async with asyncio.timeout(seconds) as limit:
            return await run(request, timed)
    except Exception:
        # Whatever the handler makes of its cancellation, the reason is the deadline.
        if not limit.expired():
            raise
        raise CallFailed(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded") from None


class _TimedContext:
    """A native context whose deadline is the server's default."""

    def __init__(self, context: Context, deadline: float) -> None:
        self._context = context
        self._deadline = deadline

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def time_remaining(self) -> float:
        return max(self._deadline - monotonic(), 0.0)


async def _tell_of_stop(context: Context) -> NoReturn:
    try:
        await context.abort(grpc.StatusCode.UNAVAILABLE, STOPPING)
    except grpc.aio.InternalError:  # A message is just being sent: gRPC itself ends the call.
        raise asyncio.CancelledError from None


def _handler_like(handler: Handler, function: Behaviour) -> Handler:
    """A handler of the same kind; single messages pass it unread, streamed ones as before."""
    # The constructors' types know plain functions only, where grpc.aio takes coroutine functions.
    run: Any = function
    if handler.request_streaming and handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler(
            run, handler.request_deserializer, handler.response_serializer
        )
    if handler.request_streaming:
        return grpc.stream_unary_rpc_method_handler(run, handler.request_deserializer)
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(run, None, handler.response_serializer)
    return grpc.unary_unary_rpc_method_handler(run)


def _failing(failure: CallFailed) -> Handler:
    async def fail(_: Any, context: Context) -> NoReturn:
        await context.abort(failure.code, failure.detail)

    # Of this kind for every RPC: it is the one that reads no message before it answers.
    run: Any = fail
    return grpc.stream_stream_rpc_method_handler(run)


def _status(context: Context) -> grpc.StatusCode:
    return status_code(context.code() or 0)


def _unchanged(message: Any) -> Any:
    return message

"""What every native gRPC call passes first, so that it behaves as the same call over HTTP does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from time import monotonic
from typing import Any, NoReturn, TypeAlias, cast

import grpc

from ..rpc.errors import STOPPING, failure_of
from ..rpc.handlers import Context, RpcFunction
from ..rpc.method_interceptors import (
    MethodInterceptor,
    answering,
    chain,
    decoding,
    handler_like,
    not_found,
    with_messages,
)
from ..rpc.methods import RpcMethod
from ..rpc.status import CallError, status_code
from .context import AbortedWithOkError, in_native_context
from .graceful_stop import GracefulStop

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


RECEIVED: ContextVar[tuple[tuple[str, str | bytes], ...]] = ContextVar("received", default=())
"""The invocation metadata of the native call that the running task serves, if `NativeHandlers` do.

The same as its context tells, which gets them from gRPC's core anew whenever it is asked.
"""


class NativeHandlers(grpc.GenericRpcHandler):
    """All handlers of the `grpc.aio` server, ready to run: guard, interceptors and servicer in one.

    It is asked for those of other RPCs alone.

    Args:
        methods: The RPCs of the server.
        layers: Put around each of them, outermost first.
        default_timeouts: Seconds for calls that come without a deadline, by full name of the RPC.
        departure: Through which all calls pass.
        generic_handlers: Asked, in this order, for the handlers of all other RPCs.

    Attributes:
        registered: The handlers of `methods`, by the full names of these.
    """

    def __init__(
        self,
        methods: Iterable[RpcMethod],
        layers: Sequence[MethodInterceptor],
        default_timeouts: Mapping[str, float | None],
        departure: GracefulStop,
        generic_handlers: Sequence[grpc.GenericRpcHandler] = (),
    ) -> None:
        self._layers = layers
        self._generic_handlers = generic_handlers
        self._departure = departure
        self.registered: Mapping[str, Handler] = {
            method.full_name: self._handler(
                method.handler, method.full_name, default_timeouts.get(method.full_name)
            )
            for method in methods
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        """Follows `grpc.GenericRpcHandler.service`."""
        rpc = handler_call_details.method
        received: Any = handler_call_details.invocation_metadata
        RECEIVED.set(received)
        return self._handler(self._generic_handler(handler_call_details), rpc, None)

    def _generic_handler(self, details: grpc.HandlerCallDetails) -> Handler:
        try:
            for generic in self._generic_handlers:
                handler = generic.service(details)
                if handler is not None:
                    return handler
        except Exception as error:  # whatever they raise ends the call that they were asked about
            return _failing(failure_of(error, details.method, grpc.StatusCode.OK))
        return _NOT_FOUND

    def _handler(self, handler: Handler, rpc: str, default_timeout: float | None) -> Handler:
        run = chain(self._layers, rpc, "grpc", with_messages(handler, in_native_context))
        return _native(handler, guarded(run, rpc, default_timeout, self._departure))


class BoundHandlers(grpc.GenericRpcHandler):
    """The handlers of RPCs as they are, for a server that has ordinary interceptors.

    Args:
        methods: The RPCs of the server.
    """

    def __init__(self, methods: Iterable[RpcMethod]) -> None:
        self._handlers = {method.full_name: method.handler for method in methods}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        """Follows `grpc.GenericRpcHandler.service`."""
        return self._handlers.get(handler_call_details.method)


class NativeGuard(grpc.aio.ServerInterceptor):
    """The first interceptor of a `grpc.aio` server that has ordinary ones too.

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
        departure: GracefulStop,
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
        try:
            handler = await continuation(handler_call_details)
        except Exception as error:  # whatever an interceptor raises ends its own call only
            return _failing(failure_of(error, rpc, grpc.StatusCode.OK))
        if handler is None:
            return None
        known = self._guards.get(rpc)
        if known is not None and known[0] is handler:
            return known[1]
        run = with_messages(handler, in_native_context)
        timeout = self._default_timeouts.get(rpc)
        made = _native(handler, guarded(run, rpc, timeout, self._departure))
        if rpc in self._known:
            self._guards[rpc] = handler, made
        return made


def guarded(
    run: RpcFunction, rpc: str, default_timeout: float | None, departure: GracefulStop
) -> RpcFunction:
    """Puts around a native handler what `grpc.aio` lacks.

    The text of unexpected exceptions is kept from callers, whom `grpc.aio` would send it; calls
    that come without a deadline get the default one; the server can part from its clients.

    Args:
        run: The handler, single messages as bytes.
        rpc: The full name of the RPC, for the log.
        default_timeout: In seconds; None: no limit.
        departure: Through which the calls pass.
    """
    if default_timeout is not None:
        run = _within(default_timeout, run)
    in_flight = departure.in_flight

    async def guarded_run(request: Any, context: Context) -> Any:
        if departure.gate is not None:
            await departure.admit()
        task: Any = asyncio.current_task()
        in_flight.add(task)
        try:
            return await run(request, context)
        except AbortedWithOkError:
            return None
        except asyncio.CancelledError:
            failure = _cancellation(task, departure)
        except grpc.aio.AbortError as error:
            if context.done():
                raise
            # It is not the one of this call's own `abort`.
            failure = failure_of(error, rpc, status_code(context.code() or 0))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # the caller is told no more than `failure` says
            if isinstance(error, GeneratorExit) and asyncio.current_task() is not task:
                raise  # The task is thrown away.
            failure = failure_of(error, rpc, status_code(context.code() or 0))
        finally:
            in_flight.discard(task)
        return await _end(context, failure)

    return guarded_run


def _cancellation(task: asyncio.Task[Any], departure: GracefulStop) -> CallError:
    """How a call ends that was cancelled: not by its caller, if it is to hear of it at all."""
    if departure.ended(task) or task.cancelling():
        # As long as it counts as cancelled, it cannot wait for the status to be sent.
        while task.cancelling():
            task.uncancel()
        return CallError(grpc.StatusCode.UNAVAILABLE, STOPPING)
    # The handler has let out the cancellation of another task.
    return CallError(grpc.StatusCode.CANCELLED, "Cancelled")


async def _end(context: Context, failure: CallError) -> bytes:
    try:
        await context.abort(failure.code, failure.detail)
    except grpc.aio.UsageError:  # An abort has come before, and has been said: it stays the end.
        return b""
    except grpc.aio.InternalError:  # The caller has gone, or a message is just being sent.
        raise asyncio.CancelledError from None


def _within(seconds: float, run: RpcFunction) -> RpcFunction:
    async def run_within(request: Any, context: Context) -> Any:
        if context.time_remaining() is not None:
            return await run(request, context)
        deadline = monotonic() + seconds
        timed = cast(Context, _TimedContext(context, deadline))
        try:
            async with asyncio.timeout(seconds) as limit:
                response = await run(request, timed)
        except Exception:
            # Whatever the handler makes of its cancellation, the reason is the deadline.
            if not limit.expired():
                raise
        else:
            if monotonic() < deadline:
                return response
        raise CallError(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")

    return run_within


class _TimedContext:
    """A native context whose deadline is the server's default."""

    def __init__(self, context: Context, deadline: float) -> None:
        self._context = context
        self._deadline = deadline

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def time_remaining(self) -> float:
        return max(self._deadline - monotonic(), 0.0)


def _native(handler: Handler, run: RpcFunction) -> Handler:
    return handler_like(handler, run, decoding(handler))


def _failing(failure: CallError) -> Handler:
    async def fail(_: Any, context: Context) -> NoReturn:
        await context.abort(failure.code, failure.detail)

    return answering(fail)


_NOT_FOUND = answering(not_found)

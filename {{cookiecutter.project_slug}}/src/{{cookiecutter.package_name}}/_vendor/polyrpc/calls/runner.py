"""Runs the calls of one RPC over HTTP: interceptors, servicer, deadline, disconnects."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, NoReturn

import grpc
from google.protobuf.descriptor import MethodDescriptor

from ..rpc.errors import STOPPING, failure_of
from ..rpc.handlers import Context, RpcFunction
from ..rpc.metadata import Metadata
from ..rpc.method_info import Protocol
from ..rpc.method_interceptors import all_bound, chain, handler_like
from ..rpc.status import CallError
from .call import Call, Handler, serving
from .cancellation import CallCancellation, resumed

Scope = Mapping[str, Any]
CoroutineFunction = Callable[[Any, Context], Coroutine[Any, Any, Any]]

_ENDED = object()
_REQUEST_STREAM = "polyrpc.request_stream"
"""An extension of the ASGI scope, where the server limits the time in which a body must arrive: a
function that says that this one is a stream, whose client may pause."""


class HandlerCallDetails(grpc.HandlerCallDetails):
    """What an interceptor is told of a call before it has a context.

    Attributes:
        protocol: What the caller speaks; details of native calls have no such attribute.
    """

    def __init__(self, method: str, invocation_metadata: Metadata, protocol: Protocol) -> None:
        self.method = method
        self.invocation_metadata = invocation_metadata
        self.protocol = protocol


class CallRunner:
    """Runs the HTTP calls of one RPC by one protocol as its `grpc.aio` server runs native calls.

    Layers are put around the handler here, once; any other interceptor is asked at every call.

    Args:
        full_name: The gRPC path of the RPC.
        handler: What answers it.
        method: Its descriptor; None: there is no such RPC, and the handler says so.
        handlers: All handlers of the gateway by full name: an interceptor may choose another.
        interceptors: Run for each call, in this order.
        protocol: What its callers speak.

    Attributes:
        handler: As given.
        method: As given.
    """

    def __init__(
        self,
        full_name: str,
        handler: Handler,
        method: MethodDescriptor | None,
        handlers: Mapping[str, Handler],
        interceptors: Sequence[grpc.aio.ServerInterceptor],
        protocol: Protocol,
    ) -> None:
        self._full_name = full_name
        self.handler = handler
        self.method = method
        self._protocol = protocol
        self._handlers = handlers
        self._interceptors = tuple(interceptors)
        self._served = handler, self._serving(handler)
        layers = all_bound(interceptors)
        self._run: CoroutineFunction = (
            self._intercepted
            if layers is None
            else _coroutine_function(chain(layers, full_name, protocol, self._served[1]))
        )

    async def run(self, call: Call) -> CallError | None:
        """Runs one call to its end.

        Returns:
            None: it has succeeded. Otherwise, what it has ended with; nobody is there to hear it if
            `call.disconnected`.
        """
        try:
            coroutine = self._run(call, call)
            # Its first step; most calls have ended with that. (`send` would raise at the end.)
            awaited = next(coroutine.__await__(), _ENDED)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # such as SystemExit: it ends the call, not the service
            return self._failure(call, error)
        if awaited is not _ENDED:
            return await self._supervised(call, resumed(coroutine, awaited))
        if call.deadline is None and call.code_set is None:
            return call.refusal
        return _status(call)

    def _serving(self, handler: Handler) -> RpcFunction:
        return serving(handler, self.method)

    async def _supervised(self, call: Call, run: Awaitable[None]) -> CallError | None:
        """Runs a call that waits for something to its end; None: it has succeeded."""
        lifetime = CallCancellation(call)
        if not self.handler.request_streaming:
            # All of it is read before the handler runs, which may have to wait for interceptors.
            call.read_ahead_bytes = call.max_body_bytes
        call.supervise(lifetime)
        if call.stream is not None:
            call.stream.supervise(lifetime, call)
        try:
            await run
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            return self._failure(call, error)
        finally:
            lifetime.stop()
            call.stop_receiving()
        return _status(call)

    def _failure(self, call: Call, error: BaseException) -> CallError | None:
        """What a call ends with that has raised `error`."""
        if not isinstance(error, asyncio.CancelledError):
            if error is not call.aborted:
                failure = failure_of(error, self._full_name, call.status())
                if not call.expired:
                    return failure
        elif not (call.expired or call.disconnected):
            # A task is cancelled from outside when the server stops; a handler may also let out
            # the cancellation of another task.
            task = asyncio.current_task()
            if task is None or not task.cancelling():
                return CallError(grpc.StatusCode.CANCELLED, "Cancelled")
            task.uncancel()
            return CallError(grpc.StatusCode.UNAVAILABLE, STOPPING)
        return _status(call)

    async def _intercepted(self, call: Call, context: Context) -> None:
        """Asks the interceptors for a handler and runs that."""
        details = HandlerCallDetails(self._full_name, call.invocation_metadata(), self._protocol)
        handler = await self._continue(call.refusal, 0, details)
        if handler is None:
            raise CallError(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
        if handler is not self._served[0]:
            # Interceptors that replace a handler put the same one in its place, as a rule.
            self._served = handler, self._serving(handler)
        await self._served[1](call, context)

    async def _continue(
        self, refusal: CallError | None, index: int, details: grpc.HandlerCallDetails
    ) -> Handler | None:
        if index == len(self._interceptors):
            handler = self._handlers.get(details.method)
            return handler if refusal is None or handler is None else _refusing(handler, refusal)
        continuation: Callable[..., Any] = functools.partial(self._continue, refusal, index + 1)
        return await self._interceptors[index].intercept_service(continuation, details)


def let_pause(scope: Scope) -> None:
    """Tells the server that the body of this request is a stream."""
    let_pause = scope.get("extensions", {}).get(_REQUEST_STREAM)
    if let_pause is not None:
        let_pause()


def _status(call: Call) -> CallError | None:
    """The status of a call as it stands; None: OK."""
    if call.deadline is not None and (call.expired or call.time_remaining() == 0):
        return CallError(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
    if call.code_set is None or call.status() is grpc.StatusCode.OK:
        return call.refusal
    return CallError(call.status(), call.details())


def _coroutine_function(run: RpcFunction) -> CoroutineFunction:
    if inspect.iscoroutinefunction(run):
        return run

    async def awaiting(call: Call, context: Context) -> Any:
        return await run(call, context)

    return awaiting


def _refusing(handler: Handler, refusal: CallError) -> Handler:
    """What interceptors get in place of a servicer that is not to see the call."""

    async def refuse(_request: Any, _context: Any) -> NoReturn:
        raise refusal

    return handler_like(handler, refuse)

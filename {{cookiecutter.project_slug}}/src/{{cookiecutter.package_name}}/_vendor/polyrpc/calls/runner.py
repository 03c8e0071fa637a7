"""Runs the calls of one RPC over HTTP: interceptors, servicer, deadline, disconnects."""

from __future__ import annotations

import asyncio
import inspect
import typing
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NoReturn, TypeAlias

import grpc
from google.protobuf.descriptor import MethodDescriptor

from ..rpc.errors import STOPPING, failure_of
from ..rpc.handlers import Context, Handler, RpcFunction, make_handler
from ..rpc.interception import Interception
from ..rpc.method_info import Protocol
from ..rpc.status import WITHOUT_MESSAGE, CallError
from .call import Call, serving, serving_plain
from .cancellation import CallCancellation, resumed
from .http_stream import REQUEST_STREAM
from .response import Answering, Event, Send

Scope = Mapping[str, Any]
FindOther: TypeAlias = "Callable[[grpc.HandlerCallDetails], Handler | None]"
CoroutineFunction = Callable[[Any, Context], Coroutine[Any, Any, Any]]

WAITING = CallError(grpc.StatusCode.UNKNOWN, "")
"""Stands for what a call will end with that has begun and waits for something."""

_ENDED = object()


class LastEvents(typing.Protocol):
    """What is made of a response when its call has ended."""

    def events(self, call: Call, outcome: CallError | None) -> tuple[Event, ...]:
        """What is left to be sent.

        Args:
            call: The call.
            outcome: What it has ended with; None: it has succeeded.
        """


class CallRunner:
    """Runs the HTTP calls of one RPC by one protocol as its `grpc.aio` server runs native calls.

    Args:
        full_name: The gRPC path of the RPC.
        handler: What answers it.
        method: Its descriptor; None: there is no such RPC, and the handler says so.
        handlers: All handlers of the gateway by full name: an interceptor may choose another.
        interception: Put around the RPC.
        protocol: What its callers speak.
        find_other: Asked at every call, inside of all interceptors, for an RPC that is none of
            `handlers`; then `handler` only tells of what kind its calls are taken to be.
    """

    def __init__(
        self,
        full_name: str,
        handler: Handler,
        method: MethodDescriptor | None,
        handlers: Mapping[str, Handler],
        interception: Interception,
        protocol: Protocol,
        find_other: FindOther | None = None,
    ) -> None:
        self._full_name = full_name
        self.handler = handler
        self.method = method
        self._handlers = handlers
        self._find_other = find_other
        known = handler if find_other is None else None
        self._run = _coroutine_function(
            interception.around(full_name, protocol, known, self._serving, self._find)
        )

    def begin(self, call: Call) -> CallError | None:
        """Begins a call; most have ended with that.

        Returns:
            None: it has succeeded. WAITING: it goes on, and `finish` is to be awaited. Otherwise,
            what it has ended with; nobody is there to hear it if `call.disconnected`.
        """
        try:
            coroutine = self._run(call, call)
            # Its first step. (`send` would raise at the end.)
            awaited = next(coroutine.__await__(), _ENDED)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # such as SystemExit: it ends the call, not the service
            return self._failure(call, error)
        if awaited is not _ENDED:
            call.rest = resumed(coroutine.send, coroutine.throw, awaited)
            return WAITING
        if call.deadline is None and call.code_set is None:
            return call.refusal
        return _status(call)

    async def finish(self, call: Call) -> CallError | None:
        """Runs a call that waits for something to its end; see `begin`."""
        lifetime = CallCancellation(call)
        if not self.handler.request_streaming:
            # All of it is read before the handler runs, which may have to wait for interceptors.
            call.read_ahead_bytes = call.max_body_bytes
        call.supervise(lifetime)
        if call.stream is not None:
            call.stream.supervise(lifetime, call)
        rest, call.rest = call.rest, None
        try:
            if rest is not None:
                await rest
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if isinstance(error, GeneratorExit) and not lifetime.is_running:
                raise  # The task is thrown away.
            return self._failure(call, error)
        finally:
            lifetime.stop()
            call.stop_receiving()
        return _status(call)

    def run(self, call: Call, send: Send, response: LastEvents) -> Answering:
        """Runs a call as far as it goes at once, and gives what is left of answering it.

        Args:
            call: The call.
            send: ASGI's `send`.
            response: Makes the events of what has not been sent by then.
        """
        outcome = self.begin(call)
        if outcome is None and call.body is not None and not (call.callbacks or call.disconnected):
            call.finished = True
            return response.events(call, None)
        return self.settle(call, outcome, send, response)

    async def settle(
        self, call: Call, outcome: CallError | None, send: Send, response: LastEvents
    ) -> None:
        """Runs a call to its end that has begun, and sends what is left of its response.

        Args:
            call: The call.
            outcome: What `begin` has returned for it.
            send: ASGI's `send`.
            response: Makes what is left.
        """
        try:
            if outcome is WAITING:
                outcome = await self.finish(call)
            if call.disconnected:
                return
            if outcome is not None or call.body is None:
                outcome = judged(call, outcome)
            for event in response.events(call, outcome):
                await send(event)
        finally:
            call.finished = True
            if call.callbacks:
                call.run_callbacks()

    def _serving(self, handler: Handler) -> RpcFunction:
        if self.method is None:
            return serving(handler, None)
        return serving_plain(handler, self.method)

    def _failure(self, call: Call, error: BaseException) -> CallError | None:
        """What a call ends with that has raised `error`."""
        if not isinstance(error, asyncio.CancelledError):
            if error is not call.aborted:
                failure = failure_of(error, self._full_name, call.status())
                # An abort that has come before stays the end.
                if not call.expired and call.aborted is None:
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

    def _find(self, details: grpc.HandlerCallDetails, call: Any) -> Handler | None:
        handler = self._handlers.get(details.method)
        if handler is None and self._find_other is not None:
            handler = self._find_other(details)
        if call.refusal is None:
            return handler
        return _refusing(handler or self.handler, call.refusal)


def let_pause(scope: Scope) -> None:
    """Tells the server that the body of this request is a stream."""
    let_pause = scope.get("extensions", {}).get(REQUEST_STREAM)
    if let_pause is not None:
        let_pause()


def judged(call: Call, outcome: CallError | None) -> CallError | None:
    """What a call has ended with for its caller, which its context tells from now on.

    Args:
        call: The call.
        outcome: What it has ended with for its handler; None: it has succeeded.
    """
    if outcome is None and call.body is None and call.stream is None:
        outcome = CallError(grpc.StatusCode.UNKNOWN, WITHOUT_MESSAGE)
    if outcome is not None:
        call.end(outcome.code, outcome.detail)
    return outcome


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

    return make_handler((handler.request_streaming, handler.response_streaming), refuse)

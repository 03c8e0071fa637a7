"""One RPC over HTTP, from the request to the servicer and back."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from time import monotonic
from typing import Any, NoReturn

import grpc

from .behaviours import Behaviour, Context
from .call import Call, Handler, serving
from .failures import STOPPING, failure_of
from .layers import all_layers, handler_like, layered
from .lifetime import Lifetime, Receive, resumed
from .metadata import Metadata
from .methods import RpcMethod
from .request import (
    BodyMessage,
    BodyMessages,
    Decoder,
    QueryMessage,
    RefusedRequest,
    RequestMessages,
    frames_for,
    not_lost,
)
from .request_head import RequestHead, is_plain
from .response import (
    Encoder,
    Event,
    Send,
    StreamResponse,
    failure_events,
    unary_events,
)
from .response_framing import FRAMINGS, negotiate
from .status import CallFailed

Scope = Mapping[str, Any]
CoroutineFunction = Callable[[Any, Context], Coroutine[Any, Any, Any]]

_ENDED = object()
_REQUEST_STREAM = "polyrpc.request_stream"
"""An extension of the ASGI scope, where the server limits the time in which a body must arrive: a
function that says that this one is a stream, whose client may pause."""


class HandlerCallDetails(grpc.HandlerCallDetails):
    """What an interceptor is told of a call before it has a context.

    Attributes:
        protocol: Tells calls over HTTP from native ones, whose details have no such attribute.
    """

    protocol = "http"

    def __init__(self, method: str, invocation_metadata: Metadata) -> None:
        self.method = method
        self.invocation_metadata = invocation_metadata


class Endpoint:
    """Answers the HTTP requests of one RPC as its `grpc.aio` server answers native calls.

    Layers are put around the handler here, once; any other interceptor is asked at every call.

    Args:
        rpc: The RPC.
        handlers: All handlers of the gateway by full name: an interceptor may choose another.
        interceptors: Run for each call, in this order.
        max_message_bytes: The limit for each request message, as JSON text.
        default_timeout: Seconds for calls that come without `grpc-timeout`; None: no limit.
    """

    def __init__(
        self,
        rpc: RpcMethod,
        handlers: Mapping[str, Handler],
        interceptors: Sequence[grpc.aio.ServerInterceptor],
        max_message_bytes: int,
        default_timeout: float | None,
    ) -> None:
        self.rpc = rpc
        self._handlers = handlers
        self._interceptors = tuple(interceptors)
        self._max_message_bytes = max_message_bytes
        self._allowed_digits = len(str(max_message_bytes)) - 1
        self._default_timeout = default_timeout
        self._is_unary = not (rpc.handler.request_streaming or rpc.handler.response_streaming)
        self._served = rpc.handler, serving(rpc.handler, rpc.descriptor)
        layers = all_layers(interceptors)
        self._run: CoroutineFunction = (
            self._intercepted
            if layers is None
            else _coroutine_function(layered(layers, rpc.full_name, "http", self._served[1]))
        )

    async def answer(
        self,
        decode: Decoder,
        encode: Encoder,
        from_query: bool,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Answers one request.

        Args:
            decode: JSON text to a request message.
            encode: A response message to JSON text.
            from_query: The one request message is the query's; the body is not read.
            scope: The ASGI connection scope.
            receive: Its `receive`.
            send: Its `send`.
        """
        call = Call(scope, receive, decode, encode, self._max_message_bytes)
        headers, timeout = scope["headers"], self._default_timeout
        plain = self._is_unary and not from_query and is_plain(headers, self._allowed_digits)
        if plain:
            call.is_plain = True
        else:
            try:
                head = RequestHead(headers)
            except CallFailed as failure:
                call.messages = RefusedRequest(failure)
            else:
                if self.rpc.handler.request_streaming and not from_query:
                    _let_pause(scope)
                self._connect(call, head, send, from_query=from_query)
                timeout = timeout if head.timeout is None else head.timeout
        if timeout is not None:
            call.deadline = monotonic() + timeout
        try:
            try:
                coroutine = self._run(call, call)
                # Its first step; most calls have ended with that. (`send` would raise at the end.)
                awaited = next(coroutine.__await__(), _ENDED)
            except (asyncio.CancelledError, Exception) as error:
                outcome = self._failure(call, error)
            else:
                if awaited is not _ENDED:
                    outcome = await self._supervised(call, resumed(coroutine, awaited))
                elif plain and timeout is None and call.code_set is None:
                    outcome = None
                else:
                    outcome = _status(call)
            if outcome is None and call.body is not None and call.stream is None:
                start, body = unary_events(call.body, call)
                await send(start)
                await send(body)
            elif not (call.disconnected or call.messages.disconnected):
                for event in _events(call, outcome):
                    await send(event)
        finally:
            call.finished = True
            if call.callbacks:
                call.run_callbacks()

    def _connect(
        self,
        call: Call,
        head: RequestHead,
        send: Send,
        *,
        from_query: bool,
    ) -> None:
        try:
            call.stream = self._stream(head, send, call.encode)
            call.messages = (
                QueryMessage(call.receive, call.decode)
                if from_query
                else self._body(head, call.receive, call.decode)
            )
        except CallFailed as failure:
            # Said after the interceptors, which may have a reason of their own to refuse.
            call.stream, call.messages = None, RefusedRequest(failure)

    def _stream(self, head: RequestHead, send: Send, encode: Encoder) -> StreamResponse | None:
        streaming = self.rpc.handler.response_streaming
        media_type = negotiate(head.accept, streaming=streaming)
        if media_type is None:
            offered = b", ".join(FRAMINGS).decode() if streaming else "application/json"
            raise CallFailed(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"accept must allow one of: {offered}",
                http_status=406,
            )
        return StreamResponse(send, encode, FRAMINGS[media_type]()) if streaming else None

    def _body(self, head: RequestHead, receive: Receive, decode: Decoder) -> RequestMessages:
        limit = self._max_message_bytes
        streaming = self.rpc.handler.request_streaming
        frames = frames_for(head, streaming=streaming, max_message_bytes=limit)
        if frames is None:
            if head.offers_upgrade and head.announces_body:
                receive = not_lost(receive)
            return BodyMessage(receive, decode, limit)
        return BodyMessages(receive, decode, frames, limit)

    async def _supervised(self, call: Call, run: Awaitable[None]) -> CallFailed | None:
        """Runs a call that waits for something to its end; None: it has succeeded."""
        lifetime = Lifetime(call)
        call.messages.supervise(lifetime)
        try:
            await run
        except (asyncio.CancelledError, Exception) as error:
            return self._failure(call, error)
        finally:
            lifetime.stop()
            call.messages.close()
        return _status(call)

    def _failure(self, call: Call, error: BaseException) -> CallFailed | None:
        """What a call ends with that has raised `error`."""
        if isinstance(error, Exception):
            if error is not call.aborted:
                failure = failure_of(error, self.rpc.full_name, call.status())
                if not call.expired:
                    return failure
        elif not (call.expired or call.disconnected):
            # A task is cancelled from outside when the server stops; a handler may also let out
            # the cancellation of another task.
            task = asyncio.current_task()
            if task is None or not task.cancelling():
                return CallFailed(grpc.StatusCode.CANCELLED, "Cancelled")
            task.uncancel()
            return CallFailed(grpc.StatusCode.UNAVAILABLE, STOPPING)
        return _status(call)

    async def _intercepted(self, call: Call, context: Context) -> None:
        """Asks the interceptors for a handler and runs that."""
        details = HandlerCallDetails(self.rpc.full_name, call.invocation_metadata())
        handler = await self._continue(call.messages.refusal, 0, details)
        if handler is None:
            raise CallFailed(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
        if handler is not self._served[0]:
            # Interceptors that replace a handler put the same one in its place, as a rule.
            self._served = handler, serving(handler, self.rpc.descriptor)
        await self._served[1](call, context)

    async def _continue(
        self, refusal: CallFailed | None, index: int, details: grpc.HandlerCallDetails
    ) -> Handler | None:
        if index == len(self._interceptors):
            handler = self._handlers.get(details.method)
            return handler if refusal is None or handler is None else _refusing(handler, refusal)
        continuation: Callable[..., Any] = functools.partial(self._continue, refusal, index + 1)
        return await self._interceptors[index].intercept_service(continuation, details)


def _let_pause(scope: Scope) -> None:
    let_pause = scope.get("extensions", {}).get(_REQUEST_STREAM)
    if let_pause is not None:
        let_pause()


def _status(call: Call) -> CallFailed | None:
    """The status of a call as it stands; None: OK."""
    if call.deadline is not None and (call.expired or call.time_remaining() == 0):
        return CallFailed(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
    if call.code_set is None or call.status() is grpc.StatusCode.OK:
        return None if call.is_plain else call.messages.refusal
    return CallFailed(call.status(), call.details())


def _events(call: Call, outcome: CallFailed | None) -> Sequence[Event]:
    """What is left to be sent."""
    if call.stream is not None:
        stream = call.stream
        return stream.finish(call) if outcome is None else stream.fail(outcome, call)
    nothing = CallFailed(grpc.StatusCode.UNKNOWN, "The call ended without a message")
    return failure_events(outcome or nothing, call)


def _coroutine_function(run: Behaviour) -> CoroutineFunction:
    if inspect.iscoroutinefunction(run):
        return run

    async def awaiting(call: Call, context: Context) -> Any:
        return await run(call, context)

    return awaiting


def _refusing(handler: Handler, refusal: CallFailed) -> Handler:
    """What interceptors get in place of a servicer that is not to see the call."""

    async def refuse(_request: Any, _context: Any) -> NoReturn:
        raise refusal

    return handler_like(handler, refuse)

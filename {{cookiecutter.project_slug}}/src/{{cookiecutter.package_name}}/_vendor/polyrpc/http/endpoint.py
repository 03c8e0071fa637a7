"""One RPC over HTTP, from the request to the servicer and back."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Any, NoReturn

import grpc

from ..rpc.errors import STOPPING, failure_of
from ..rpc.handlers import Context, RpcFunction, make_handler
from ..rpc.interception import Interception
from ..rpc.methods import RpcMethod
from ..rpc.status import WITHOUT_MESSAGE, CallError
from .call import Call, Handler, serving
from .cancellation import CallCancellation, resumed
from .headers import JSON, RequestHeaders, is_forgeable, is_plain
from .incoming import Receive
from .negotiation import FRAMINGS, negotiate
from .raw_body import RawDecoder, RawEncoder, RawFraming
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
from .response import (
    Encoder,
    Event,
    Send,
    StreamResponse,
    failure_events,
    stream_response,
    unary_events,
)

Scope = Mapping[str, Any]
CoroutineFunction = Callable[[Any, Context], Coroutine[Any, Any, Any]]

_ENDED = object()
_REQUEST_STREAM = "polyrpc.request_stream"
"""An extension of the ASGI scope, where the server limits the time in which a body must arrive: a
function that says that this one is a stream, whose client may pause."""


class Endpoint:
    """Answers the HTTP requests of one RPC as its `grpc.aio` server answers native calls.

    Args:
        rpc: The RPC.
        handlers: All handlers of the gateway by full name: an interceptor may choose another.
        interception: Put around the RPC.
        max_message_bytes: The limit for each request message, as JSON text.
        default_timeout: Seconds for calls that come without `grpc-timeout`; None: no limit.
    """

    def __init__(
        self,
        rpc: RpcMethod,
        handlers: Mapping[str, Handler],
        interception: Interception,
        max_message_bytes: int,
        default_timeout: float | None,
    ) -> None:
        self.rpc = rpc
        self._handlers = handlers
        self._max_message_bytes = max_message_bytes
        self._allowed_digits = len(str(max_message_bytes)) - 1
        self._default_timeout = default_timeout
        self._is_unary = not (rpc.handler.request_streaming or rpc.handler.response_streaming)
        self._run = _coroutine_function(
            interception.around(
                rpc.full_name,
                "http",
                rpc.handler,
                partial(serving, method=rpc.descriptor),
                self._find,
            )
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
                head = RequestHeaders(headers)
            except CallError as failure:
                _refuse(call, failure)
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
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # such as SystemExit: it ends the call, not the service
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
            elif not call.disconnected:
                if outcome is not None:
                    call.end(outcome.code, outcome.detail)
                for event in _events(call, outcome):
                    await send(event)
        finally:
            call.finished = True
            if call.callbacks:
                call.run_callbacks()

    def _connect(
        self,
        call: Call,
        head: RequestHeaders,
        send: Send,
        *,
        from_query: bool,
    ) -> None:
        try:
            call.stream = self._stream(head, send, call.encode)
            if from_query:
                call.messages, call.keeps_body = QueryMessage(call.decode), False
            else:
                _check_type(head, call.scope)
                call.messages = self._body(head, call)
        except CallError as failure:
            # Said after the interceptors, which may have a reason of their own to refuse.
            call.stream = None
            _refuse(call, failure)

    def _stream(self, head: RequestHeaders, send: Send, encode: Encoder) -> StreamResponse | None:
        streaming = self.rpc.handler.response_streaming
        if isinstance(encode, RawEncoder):  # Its media type is the servicer's to choose.
            return StreamResponse(send, encode, RawFraming()) if streaming else None
        media_type = negotiate(head.accept, streaming=streaming)
        if media_type is None:
            offered = b", ".join(FRAMINGS).decode() if streaming else "application/json"
            raise CallError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"accept must allow one of: {offered}",
                http_status=406,
            )
        return stream_response(send, encode, FRAMINGS[media_type]()) if streaming else None

    def _body(self, head: RequestHeaders, call: Call) -> RequestMessages:
        limit = self._max_message_bytes
        streaming = self.rpc.handler.request_streaming
        raw = isinstance(call.decode, RawDecoder)
        frames = frames_for(head, streaming=streaming, max_message_bytes=limit, raw=raw)
        if frames is None:
            if head.offers_upgrade and head.announces_body:
                call.receive = not_lost(call.receive)
            return BodyMessage(call.decode, limit)
        return BodyMessages(call.decode, frames, limit)

    async def _supervised(self, call: Call, run: Awaitable[None]) -> CallError | None:
        """Runs a call that waits for something to its end; None: it has succeeded."""
        lifetime = CallCancellation(call)
        if not self.rpc.handler.request_streaming:
            # All of it is read before the handler runs, which may have to wait for interceptors.
            call.read_ahead_bytes = self._max_message_bytes
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
                failure = failure_of(error, self.rpc.full_name, call.status())
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

    def _find(self, details: grpc.HandlerCallDetails, call: Any) -> Handler | None:
        handler = self._handlers.get(details.method)
        if handler is None or call.refusal is None:
            return handler
        return _refusing(handler, call.refusal)


def _refuse(call: Call, refusal: CallError) -> None:
    call.refusal, call.messages = refusal, RefusedRequest(refusal)


def _check_type(head: RequestHeaders, scope: Scope) -> None:
    """Refuses what other sites' pages may send, and forgets the type of what has no content."""
    if scope["method"] == "POST" and is_forgeable(scope["headers"], head.content_type):
        raise CallError(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"a page of another site must send content-type: {JSON}",
            http_status=415,
        )
    if head.content_length == 0 or (
        head.content_length is None
        and not head.is_chunked
        # Later versions need tell neither.
        and (scope["http_version"].startswith("1") or scope["method"] in ("GET", "HEAD"))
    ):
        head.content_type = ""


def _let_pause(scope: Scope) -> None:
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


def _events(call: Call, outcome: CallError | None) -> Sequence[Event]:
    """What is left to be sent."""
    if call.stream is not None:
        stream = call.stream
        return stream.finish(call) if outcome is None else stream.fail(outcome, call)
    nothing = CallError(grpc.StatusCode.UNKNOWN, WITHOUT_MESSAGE)
    return failure_events(outcome or nothing, call)


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

"""One RPC over HTTP, from the request to the servicer and back."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from time import monotonic
from typing import Any, NoReturn, TypeAlias

import grpc

from .behaviours import behaviour, with_behaviour
from .context import HttpServicerContext
from .failures import STOPPING, failure_of
from .lifetime import Lifetime, Receive
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
)
from .request_head import RequestHead
from .response import Encoder, Response, Send, StreamResponse, UnaryResponse, send_failure
from .response_framing import FRAMINGS, negotiate
from .status import CallFailed

Scope = Mapping[str, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


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
        self._behaviour = rpc.handler, behaviour(rpc.handler)
        self._max_message_bytes = max_message_bytes
        self._default_timeout = default_timeout

    async def answer(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        decode: Decoder,
        encode: Encoder,
        from_query: bool,
    ) -> None:
        """Answers one request.

        Args:
            scope: The ASGI connection scope.
            receive: Its `receive`.
            send: Its `send`.
            decode: A message's JSON text to protobuf.
            encode: A response message in protobuf to JSON text.
            from_query: The one request message is the query's; the body is not read.
        """
        try:
            head = RequestHead(scope["headers"])
        except CallFailed as failure:
            await send_failure(send, failure)
            return
        context = self._context(scope, head)
        lifetime = Lifetime(context)
        messages: RequestMessages
        response: Response
        refusal = None
        try:
            response = self._response(head, send, encode)
            messages = (
                QueryMessage(receive, lifetime, decode)
                if from_query
                else self._body(head, receive, lifetime, decode)
            )
        except CallFailed as failure:
            # Said after the interceptors, which may have a reason of their own to refuse.
            refusal = failure
            response, messages = UnaryResponse(send, encode), RefusedRequest(failure)
        try:
            try:
                outcome = await self._run(context, messages, response, refusal) or refusal
            finally:
                lifetime.stop()
                messages.close()
            if context.disconnected:
                return
            if outcome is None:
                await response.finish(context)
            else:
                await response.fail(outcome, context)
        finally:
            context.end()

    def _response(self, head: RequestHead, send: Send, encode: Encoder) -> Response:
        streaming = self.rpc.handler.response_streaming
        media_type = negotiate(head.accept, streaming=streaming)
        if media_type is None:
            offered = b", ".join(FRAMINGS).decode() if streaming else "application/json"
            raise CallFailed(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"accept must allow one of: {offered}",
                http_status=406,
            )
        if streaming:
            return StreamResponse(send, encode, FRAMINGS[media_type]())
        return UnaryResponse(send, encode)

    def _body(
        self, head: RequestHead, receive: Receive, lifetime: Lifetime, decode: Decoder
    ) -> RequestMessages:
        limit = self._max_message_bytes
        streaming = self.rpc.handler.request_streaming
        frames = frames_for(head, streaming=streaming, max_message_bytes=limit)
        if frames is None:
            return BodyMessage(receive, lifetime, decode, limit)
        return BodyMessages(receive, lifetime, decode, frames, limit)

    def _context(self, scope: Scope, head: RequestHead) -> HttpServicerContext:
        timeout = self._default_timeout if head.timeout is None else head.timeout
        deadline = None if timeout is None else monotonic() + timeout
        return HttpServicerContext(scope, head.metadata, deadline)

    async def _run(
        self,
        context: HttpServicerContext,
        messages: RequestMessages,
        response: Response,
        refusal: CallFailed | None,
    ) -> CallFailed | None:
        try:
            await self._call(context, messages, response, refusal)
        except asyncio.CancelledError:
            if not (context.expired or context.disconnected):
                # A task is cancelled from outside when the server stops; a handler may also let
                # out the cancellation of another task.
                task = asyncio.current_task()
                if task is None or not task.cancelling():
                    return CallFailed(grpc.StatusCode.CANCELLED, "Cancelled")
                task.uncancel()
                return CallFailed(grpc.StatusCode.UNAVAILABLE, STOPPING)
        except Exception as error:
            if error is not context.aborted:
                failure = failure_of(error, self.rpc.full_name, context.status())
                if not context.expired:
                    return failure
        if context.expired or context.time_remaining() == 0:
            return CallFailed(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
        if context.status() is grpc.StatusCode.OK:
            return None
        return CallFailed(context.status(), context.details())

    async def _call(
        self,
        context: HttpServicerContext,
        messages: RequestMessages,
        response: Response,
        refusal: CallFailed | None,
    ) -> None:
        handler = await self._find_handler(context.invocation_metadata(), refusal)
        if handler is None:
            raise CallFailed(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
        deserialize = handler.request_deserializer or _unchanged
        serialize = handler.response_serializer or _unchanged

        async def read() -> Any:
            wire = await messages.next()
            return grpc.aio.EOF if wire is None else deserialize(wire)

        async def write(message: Any) -> None:
            await response.message(serialize(message), context)

        context.attach(read, write if handler.response_streaming else None)
        if handler.request_streaming:
            request: Any = _iterate(context)
        else:
            request = deserialize(await _only_message(messages, handler))
        if handler is not self._behaviour[0]:
            # Interceptors that replace a handler put the same one in its place, as a rule.
            self._behaviour = handler, behaviour(handler)
        result = await self._behaviour[1](request, context)
        if (
            not handler.response_streaming
            and context.aborted is None
            and context.status() is grpc.StatusCode.OK
        ):
            await response.message(serialize(result), context)

    async def _find_handler(self, metadata: Metadata, refusal: CallFailed | None) -> Handler | None:
        details = HandlerCallDetails(self.rpc.full_name, metadata)
        return await self._continue(refusal, 0, details)

    async def _continue(
        self, refusal: CallFailed | None, index: int, details: grpc.HandlerCallDetails
    ) -> Handler | None:
        if index == len(self._interceptors):
            handler = self._handlers.get(details.method)
            return handler if refusal is None or handler is None else _refusing(handler, refusal)
        continuation: Callable[..., Any] = functools.partial(self._continue, refusal, index + 1)
        return await self._interceptors[index].intercept_service(continuation, details)


def _refusing(handler: Handler, refusal: CallFailed) -> Handler:
    """What interceptors get in place of a servicer that is not to see the call."""

    async def refuse(_request: Any, _context: Any) -> NoReturn:
        raise refusal

    return with_behaviour(handler, refuse)


async def _only_message(messages: RequestMessages, handler: Handler) -> bytes:
    try:
        return await messages.next() or b""
    except CallFailed:
        # A handler that deserializes nothing does not care: it is an interceptor's own, such as
        # one that rejects the call, which must not depend on what the caller sent.
        if handler.request_deserializer is None:
            return b""
        raise


async def _iterate(context: HttpServicerContext) -> AsyncIterator[Any]:
    while (message := await context.read()) is not grpc.aio.EOF:
        yield message


def _unchanged(message: Any) -> Any:
    return message

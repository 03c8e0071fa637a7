"""One call over HTTP, and how its handler is run: the innermost of what an endpoint runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

import grpc

from .behaviours import Behaviour, Context, behaviour
from .context import HttpServicerContext, Reader, Writer
from .lifetime import Receive
from .request import BodyMessage, Decoder, RequestMessages
from .response import Encoder, Response, Send, UnaryResponse
from .status import CallFailed

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Call(HttpServicerContext):
    """The context of a call, together with where its messages come from and go.

    Attributes:
        messages: Where they come from.
        response: Where they go.
    """

    messages: RequestMessages
    response: Response


class UnaryExchange(BodyMessage, UnaryResponse):
    """The message that is the body and the message that answers it: the usual, in one object."""

    def __init__(
        self,
        receive: Receive,
        send: Send,
        decode: Decoder,
        encode: Encoder,
        max_message_bytes: int,
    ) -> None:
        # As both classes do it, in one step.
        self._receive = receive
        self._decode = decode
        self._max_message_bytes = max_message_bytes
        self._send = send
        self._encode = encode


def serving(handler: Handler) -> Behaviour:
    """Makes what reads the messages of a call, runs `handler` and takes what it answers.

    In the place of a request it gets the `Call`; the context beside that, which is the handler's,
    is whatever layers have made of the call.
    """
    run = behaviour(handler)
    deserialize = handler.request_deserializer or _unchanged
    serialize = handler.response_serializer or _unchanged
    request_streaming, response_streaming = handler.request_streaming, handler.response_streaming

    async def serve(call: Any, context: Context) -> None:
        if request_streaming or response_streaming:
            call.attach(
                _reader(call, deserialize),
                _writer(call, serialize) if response_streaming else None,
            )
        if request_streaming:
            if call.messages.refusal is not None:
                raise call.messages.refusal
            request: Any = _iterate(call)
        else:
            try:
                wire = await call.messages.next() or b""
            except CallFailed:
                # A handler that deserializes nothing does not care: it is an interceptor's own,
                # such as one that rejects the call, which must not depend on what was sent.
                if handler.request_deserializer is not None:
                    raise
                wire = b""
            request = deserialize(wire)
        result = await run(request, context)
        if not response_streaming and (call.code_set is None or _succeeds(call)):
            sent = call.response.message(serialize(result), call)
            if sent is not None:
                await sent

    return serve


def _succeeds(call: Call) -> bool:
    return call.aborted is None and call.status() is grpc.StatusCode.OK


def _reader(call: Call, deserialize: Callable[[bytes], Any]) -> Reader:
    async def read() -> Any:
        wire = await call.messages.next()
        return grpc.aio.EOF if wire is None else deserialize(wire)

    return read


def _writer(call: Call, serialize: Callable[[Any], bytes]) -> Writer:
    async def write(message: Any) -> None:
        sent = call.response.message(serialize(message), call)
        if sent is not None:
            await sent

    return write


async def _iterate(call: Call) -> AsyncIterator[Any]:
    while (message := await call.read()) is not grpc.aio.EOF:
        yield message


def _unchanged(message: Any) -> Any:
    return message

"""One call over HTTP, and how its handler is run: the innermost of what an endpoint runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from functools import cached_property
from typing import Any, TypeAlias

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from ..protojson import JsonError
from ..rpc.handlers import Context, RpcFunction, adapt
from ..rpc.status import CallError
from .context import HttpServicerContext, Reader, Writer
from .incoming import Incoming, Receive
from .request import BodyMessage, Decoder, RequestMessages, malformed, whole_body
from .response import Encoder, StreamResponse

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Call(HttpServicerContext, Incoming):
    """The context of a call, together with where its messages come from and go.

    Attributes:
        is_plain: Its request is one message, and the whole body, as is usual.
        refusal: Why its messages cannot be read, whatever they are; None as a rule.
        decode: Reads a message.
        max_message_bytes: How long that may be.
        encode: Writes the messages of the response.
        body: The one that is the whole response, once there is one.
        stream: Where they go if they can be many.
    """

    is_plain = False
    refusal: CallError | None = None
    body: bytes | None = None
    stream: StreamResponse | None = None

    def __init__(
        self,
        scope: Mapping[str, Any],
        receive: Receive,
        decode: Decoder,
        encode: Encoder,
        max_message_bytes: int,
    ) -> None:
        # As the context does it, in one step.
        self.scope = scope
        self.receive = receive
        self.decode = decode
        self.encode = encode
        self.max_message_bytes = max_message_bytes

    @cached_property
    def messages(self) -> RequestMessages:
        """Where messages come from. Plain calls that wait for nothing need not have it."""
        return BodyMessage(self.decode, self.max_message_bytes)

    async def request_arrived(self) -> None:
        """Waits until a request of one message is there, which is not looked at yet.

        Raises:
            CallError: CANCELLED, the client has gone.
        """
        if self.is_plain or isinstance(self.messages, BodyMessage):
            await self.receive_whole(self.max_message_bytes)


def serving(handler: Handler, method: MethodDescriptor) -> RpcFunction:
    """Makes what reads the messages of a call, runs `handler` and takes what it answers.

    In the place of a request it gets the `Call`; the context beside that, which is the handler's,
    is whatever layers have made of the call.

    Args:
        handler: The one of `method`, or what an interceptor has put in its place.
        method: Its messages are what JSON is read into and written from.
    """
    run = adapt(handler)
    take, give = _taking(handler, method), _giving(handler, method)
    request_streaming, response_streaming = handler.request_streaming, handler.response_streaming

    async def serve(call: Any, context: Context) -> None:
        if request_streaming or response_streaming:
            call.attach(
                _reader(call, take),
                _writer(call, give) if response_streaming else None,
            )
        if request_streaming:
            if call.refusal is not None:
                raise call.refusal
            request: Any = _iterate(call)
        else:
            try:
                request = await call.messages.next(call)
            except CallError:
                # A handler that deserializes nothing does not care: it is an interceptor's own,
                # such as one that rejects the call, which must not depend on what was sent.
                if handler.request_deserializer is not None:
                    raise
                request = b""
            else:
                if take is not None:
                    request = take(request)
        result = await run(request, context)
        if not response_streaming and (call.code_set is None or _succeeds(call)):
            call.body = call.encode(result if give is None else give(result))

    async def serve_body(call: Any, context: Context) -> None:
        if not call.is_plain:
            await serve(call, context)
            return
        # As above, in as few steps as there can be: they are what a call costs.
        if call.lifetime is not None or call.chunks is not None:
            body = await whole_body(call, call.max_message_bytes)
        else:
            call.is_reading = True
            try:
                event = await call.receive()
            except BaseException:
                call.stopped_reading()
                raise
            body = event.get("body", b"")
            if (
                call.lifetime is not None
                or event.get("more_body", False)
                or len(body) > call.max_message_bytes
                or event["type"] == "http.disconnect"
            ):
                call.take(event)
                call.stopped_reading()
                body = await whole_body(call, call.max_message_bytes)
            else:
                call.body_ended, call.is_reading = True, False
        try:
            request = call.decode(body)
        except JsonError as error:
            raise malformed(error) from None
        result = await run(request, context)
        if call.code_set is None or _succeeds(call):
            call.body = call.encode(result)

    return serve if request_streaming or response_streaming or take or give else serve_body


def _taking(handler: Handler, method: MethodDescriptor) -> Callable[[Message], Any] | None:
    """What makes a handler's request of a message; None: it is the message itself."""
    message_class = GetMessageClass(method.input_type)
    deserialize = handler.request_deserializer
    if deserialize is None:
        return message_class.SerializeToString
    # The bound method is made anew each time that it is asked for.
    if deserialize == message_class.FromString:
        return None
    return lambda message: deserialize(message.SerializeToString())


def _giving(handler: Handler, method: MethodDescriptor) -> Callable[[Any], Message] | None:
    """What makes a message of a handler's response; None: it is the message itself."""
    message_class = GetMessageClass(method.output_type)
    serialize = handler.response_serializer
    if serialize is None:
        return message_class.FromString
    if serialize == message_class.SerializeToString:
        return None
    return lambda response: message_class.FromString(serialize(response))


def _succeeds(call: Call) -> bool:
    return call.aborted is None and call.status() is grpc.StatusCode.OK


def _reader(call: Call, take: Callable[[Message], Any] | None) -> Reader:
    async def read() -> Any:
        message = await call.messages.next(call)
        if message is None:
            return grpc.aio.EOF
        return message if take is None else take(message)

    return read


def _writer(call: Call, give: Callable[[Any], Message] | None) -> Writer:
    async def write(message: Any) -> None:
        given = message if give is None else give(message)
        if call.stream is not None:
            await call.stream.message(given, call)
        else:  # An interceptor has put a handler of another kind in the place of the RPC's.
            call.body = call.encode(given)

    return write


async def _iterate(call: Call) -> AsyncIterator[Any]:
    while (message := await call.read()) is not grpc.aio.EOF:
        yield message

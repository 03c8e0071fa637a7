"""One call over HTTP, and how its handler is run: the innermost of what answers it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import cached_property
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from ..rpc.handlers import Context, Handler, RpcFunction, adapt
from ..rpc.status import CallError
from .context import HttpServicerContext
from .incoming import Incoming, Receive
from .messages import BodyMessage, RefusedRequest, RequestMessages
from .response import Encoder, ResponseStream

_Conversion = Callable[[Any], Any]
"""Between what a handler takes or gives and what the wire has: messages of the RPC, or bytes."""


class Call(HttpServicerContext, Incoming):
    """The context of a call, together with where its messages come from and go.

    Attributes:
        is_whole: Its request is one message, for which whoever limits calls waits.
        refusal: Why its messages cannot be read, whatever they are; None as a rule.
        decode: Reads a body that is one message; None: it is not.
        max_body_bytes: How long the body of a request of one message may be.
        encode: Writes the messages of the response.
        body: The one that is the whole response, once there is one.
        rest: What is left to be run, between its first step and the others.
        tells_early: Initial metadata are sent as soon as the servicer sends them, in a stream.
    """

    is_whole = False
    refusal: CallError | None = None
    body: bytes | None = None
    stream: ResponseStream | None = None
    rest: Any = None
    tells_early = False

    def __init__(
        self,
        scope: Mapping[str, Any],
        receive: Receive,
        decode: Callable[[bytes], Any],
        encode: Encoder,
        max_body_bytes: int,
    ) -> None:
        # As the context does it, in one step.
        self.scope = scope
        self.receive = receive
        self.decode = decode
        self.encode = encode
        self.max_body_bytes = max_body_bytes
        # Every call asks for these, and what is its own is found sooner than what is its class's.
        self.code_set = self.deadline = self.refusal = self.stream = None
        self.headers = self.initial_metadata = self.trailing = self.callbacks = ()

    @cached_property
    def messages(self) -> RequestMessages:
        """Where messages come from. It is set, or else this; plain calls need not have it."""
        return BodyMessage(self.decode, self.max_body_bytes)

    def refuse(self, refusal: CallError) -> None:
        """Has the call fail once it is the servicer's turn: interceptors may have other reasons."""
        self.refusal, self.messages = refusal, RefusedRequest(refusal)

    def plain_request(self) -> Any:
        """Takes the request, if that is one message, usual, and all there; None: it is not.

        Raises:
            CallError: It is no message of its type.
        """
        return None

    async def request_arrived(self) -> None:
        """Waits until a request of one message is there, which is not looked at yet.

        Raises:
            CallError: CANCELLED, the client has gone.
        """
        if self.is_whole:
            await self.receive_whole(self.max_body_bytes)

    async def send_initial_metadata(self, initial_metadata: Any) -> None:
        await super().send_initial_metadata(initial_metadata)
        if self.tells_early and self.stream is not None:
            await self.stream.begin(self)


def serving(handler: Handler, method: MethodDescriptor | None) -> RpcFunction:
    """Makes what reads the messages of a call, runs `handler` and takes what it answers.

    In the place of a request it gets the `Call`; the context beside that, which is the handler's,
    is whatever layers have made of the call.

    Args:
        handler: The one of `method`, or what an interceptor has put in its place.
        method: Its messages are what is read from the wire and written to it; None: no generated
            code describes the RPC, and these are bytes.
    """
    run = adapt(handler)
    take: _Conversion | None
    give: _Conversion | None
    if method is None:
        take, give = _deserializing(handler), handler.response_serializer
    else:
        take, give = _taking(handler, method), _giving(handler, method)
    request_streaming, response_streaming = handler.request_streaming, handler.response_streaming

    async def serve(call: Any, context: Context) -> None:
        if request_streaming or response_streaming:

            async def read() -> Any:
                message = await call.messages.next(call)
                if message is None:
                    return grpc.aio.EOF
                return message if take is None else take(message)

            # Not a coroutine of its own, which each message of a stream would pass.
            def write(message: Any) -> Awaitable[None]:
                given = message if give is None else give(message)
                writing: Awaitable[None] = (
                    keep(given) if call.stream is None else call.stream.message(given, call)
                )
                return writing

            async def keep(given: Any) -> None:
                # An interceptor has put a handler of another kind in the place of the RPC's.
                call.body = call.encode(given)

            call.attach(read, write if response_streaming else None)
        if request_streaming:
            if call.refusal is not None:
                raise call.refusal
            request: Any = _iterate(call)
        else:
            try:
                request = await call.messages.next(call)
            except CallError:
                # A handler that deserializes nothing does not care: it is an interceptor's own,
                # such as one that rejects the call, which must not depend on what was sent. But
                # where messages are bytes, it may as well be the RPC's.
                if handler.request_deserializer is not None or (
                    method is None and call.refusal is None
                ):
                    raise
                request = b""
            else:
                if request is None:
                    raise _undecodable()
                if take is not None:
                    request = take(request)
        result = await run(request, context)
        if not response_streaming and (call.code_set is None or _succeeds(call)):
            response = result if give is None else give(result)
            if call.stream is None:
                call.body = call.encode(response)
            else:  # An interceptor has put it in the place of an RPC that answers a stream.
                await call.stream.message(response, call)

    return serve


def serving_plain(
    handler: Handler, method: MethodDescriptor, unreadable: type[Exception] | tuple[()] = ()
) -> RpcFunction:
    """Makes what `serving` makes, with a short way for plain calls.

    Args:
        handler: As `serving` has it.
        method: As `serving` has it.
        unreadable: What `decode` raises, whose text is the caller's to know, besides `CallError`.
    """
    serve = serving(handler, method)
    if not _is_direct(handler, method):
        return serve
    run = adapt(handler)

    async def serve_body(call: Any, context: Context) -> None:
        # As there, in as few steps as there can be: they are what a call costs.
        request = None
        if call.is_plain:
            call.is_reading = True
            try:
                event = await call.receive()
            except BaseException:
                call.stopped_reading()
                raise
            body = event.get("body")
            if (
                body is None
                or event.get("more_body", False)
                or len(body) > call.max_body_bytes
                or not call.is_plain
            ):
                call.take(event)
                call.stopped_reading()
            else:
                call.is_reading = False
                try:
                    request = call.decode(body)
                except unreadable as error:
                    raise CallError(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from None
                if request is None:
                    call.take(event)
                else:
                    call.body_ended = True
        else:
            request = call.plain_request()
        if request is None:
            await serve(call, context)
            return
        result = await run(request, context)
        if call.code_set is None or _succeeds(call):
            if call.stream is None:
                call.body = call.encode(result)
            else:  # An interceptor has put the handler in the place of one that answers a stream.
                await call.stream.message(result, call)

    return serve_body


def _is_direct(handler: Handler, method: MethodDescriptor) -> bool:
    """Whether the messages of `method` are what `handler` takes and gives, one each."""
    return not (
        handler.request_streaming
        or handler.response_streaming
        or _taking(handler, method)
        or _giving(handler, method)
    )


def _deserializing(handler: Handler) -> _Conversion | None:
    """What makes a handler's request of bytes; None: they are what it takes."""
    deserialize = handler.request_deserializer
    if deserialize is None:
        return None

    def take(data: bytes) -> Any:
        try:
            return deserialize(data)
        except (DecodeError, ValueError):
            raise _undecodable() from None

    return take


def _undecodable() -> CallError:
    return CallError(grpc.StatusCode.INTERNAL, "The request is no message of its type")


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
    """Whether the status as the servicer has left it is OK."""
    return call.aborted is None and call.status() is grpc.StatusCode.OK


async def _iterate(call: Call) -> AsyncIterator[Any]:
    while (message := await call.read()) is not grpc.aio.EOF:
        yield message

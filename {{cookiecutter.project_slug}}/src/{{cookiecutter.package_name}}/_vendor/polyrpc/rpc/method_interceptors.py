"""Layers: interceptors that are put around a handler once, at start, and not at every call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import Any, NoReturn, TypeAlias, cast

import grpc
from google.protobuf.message import DecodeError

from .handlers import Context, RpcFunction, adapt
from .method_info import Protocol
from .status import CallError, status_code

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
CONSTRUCTORS = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}
_MALFORMED = (DecodeError, ValueError)
"""What deserializers raise at a message that they cannot read."""

_MOST_KNOWN = 1000
"""Handlers that a layer keeps between ordinary interceptors: callers can make up any name."""


class MethodInterceptor(grpc.aio.ServerInterceptor, ABC):
    """An interceptor whose decision depends on the RPC alone.

    Where all interceptors of a gateway are layers, none of them costs a call more than the function
    that `around` has made for its RPC. Among ordinary interceptors it is one of them.
    """

    @abstractmethod
    def wrap(self, rpc: str, protocol: Protocol, run: RpcFunction) -> RpcFunction:
        """Puts this layer around the handler of an RPC; called at start, not at every call.

        The request and the response are not for a layer to look at: it hands them on as they are.
        Messages are read and written inside `run`, so that a call that is refused is refused before
        its message is looked at, and one whose message cannot be read is observed like any other.

        Args:
            rpc: The gRPC path, such as `/greeter_service.v1.Greeter/SayHello`. Also of RPCs that
                there are not, of which callers can make up any number: nothing is to be kept by
                the name of an RPC.
            protocol: What its callers speak.
            run: What is inside.
        """

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Follows `grpc.aio.ServerInterceptor.intercept_service`."""
        rpc = handler_call_details.method
        # Native details do not tell.
        told: Protocol | None = getattr(handler_call_details, "protocol", None)
        over_http, protocol = told is not None, told or "grpc"
        try:
            handler = await continuation(handler_call_details) or _NOT_FOUND
        except Exception as error:  # of an interceptor: for the layer it is the handler that fails
            return self._put_around(_raising(error), rpc, protocol, over_http=over_http)
        # Interceptors that replace a handler put the same one in its place, as a rule.
        known = self._handlers.get((rpc, told))
        if known is not None and known[0] is handler:
            return known[1]
        if len(self._handlers) >= _MOST_KNOWN:
            self._handlers.clear()
        made = self._put_around(handler, rpc, protocol, over_http=over_http)
        self._handlers[rpc, told] = handler, made
        return made

    @cached_property
    def _handlers(self) -> dict[tuple[str, Protocol | None], tuple[Handler, Handler]]:
        return {}

    def _put_around(
        self, handler: Handler, rpc: str, protocol: Protocol, *, over_http: bool
    ) -> Handler:
        # Over HTTP the handler always takes a stream, of one message where there is but one: the
        # gateway would read a single message first, and answer by itself if that cannot be read.
        if over_http:
            handler = _taking_a_stream(handler)
        return handler_like(handler, self.wrap(rpc, protocol, with_messages(handler)))


def all_bound(
    interceptors: Sequence[grpc.aio.ServerInterceptor],
) -> Sequence[MethodInterceptor] | None:
    """Gives back `interceptors` if they are layers; None: there is an ordinary one among them."""
    layers = [
        interceptor for interceptor in interceptors if isinstance(interceptor, MethodInterceptor)
    ]
    return layers if len(layers) == len(interceptors) else None


def chain(
    layers: Sequence[MethodInterceptor], rpc: str, protocol: Protocol, run: RpcFunction
) -> RpcFunction:
    """Puts `layers`, outermost first, around `run`; see `MethodInterceptor.wrap`."""
    for layer in reversed(layers):
        run = layer.wrap(rpc, protocol, run)
    return run


async def not_found(_request: object, context: Context) -> NoReturn:
    """What runs for every RPC that there is not."""
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")


def answering(run: RpcFunction) -> Handler:
    """Makes a handler for any RPC: it is of the kind that reads no message before it answers."""
    # The constructors' types know plain functions only, where grpc.aio takes coroutine functions.
    return grpc.stream_stream_rpc_method_handler(cast(Any, run))


def with_messages(
    handler: Handler, around: Callable[[Handler, RpcFunction], RpcFunction] | None = None
) -> RpcFunction:
    """Adapts `handler` as `adapt` does, and takes and returns its single messages as bytes.

    Args:
        handler: What is to run.
        around: Puts something around it that has to do with messages, not with bytes.
    """
    run = adapt(handler)
    if around is not None:
        run = around(handler, run)
    if handler.request_streaming and handler.response_streaming:
        return run
    if handler.response_streaming:
        return _reading(run, handler.request_deserializer or _unchanged)
    serialize = handler.response_serializer or _unchanged
    if handler.request_streaming:
        return _writing(run, serialize)
    deserialize = handler.request_deserializer or _unchanged

    async def read_and_write(request: Any, context: Context) -> Any:
        try:
            message = deserialize(request)
        except _MALFORMED:
            raise undecodable() from None
        response = await run(message, context)
        if context.code() and _has_failed(context):
            return b""
        return serialize(response)

    return read_and_write


def undecodable() -> CallError:
    """How a native call ends whose request is no message of its type, as gRPC's table says."""
    return CallError(grpc.StatusCode.INTERNAL, "The request is no message of its type")


def decoding(handler: Handler) -> Callable[[bytes], Any] | None:
    """What `grpc.aio` is to read the streamed requests of `handler` with."""
    deserialize = handler.request_deserializer
    if deserialize is None:
        return None

    def decode(data: bytes) -> Any:
        try:
            return deserialize(data)
        except _MALFORMED:
            raise undecodable() from None

    return decode


def handler_like(
    handler: Handler, run: RpcFunction, decode: Callable[[bytes], Any] | None = None
) -> Handler:
    """Makes a handler of the same kind that does `run`; streamed messages pass it as before.

    Args:
        handler: What it is to be like.
        run: Takes and returns single messages as bytes.
        decode: Reads streamed requests, in the place of what `handler` reads them with.
    """
    # The constructors' types know plain functions only, where grpc.aio takes coroutine functions.
    make: Any = CONSTRUCTORS[handler.request_streaming, handler.response_streaming]
    made: Handler = make(
        run,
        (decode or handler.request_deserializer) if handler.request_streaming else None,
        handler.response_serializer if handler.response_streaming else None,
    )
    return made


def _reading(run: RpcFunction, deserialize: Callable[[bytes], Any]) -> RpcFunction:
    async def read(request: Any, context: Context) -> Any:
        try:
            message = deserialize(request)
        except _MALFORMED:
            raise undecodable() from None
        return await run(message, context)

    return read


def _writing(run: RpcFunction, serialize: Callable[[Any], bytes]) -> RpcFunction:
    async def write(request: Any, context: Context) -> Any:
        response = await run(request, context)
        if context.code() and _has_failed(context):
            return b""
        return serialize(response)

    return write


def _has_failed(context: Context) -> bool:
    return status_code(context.code()) is not grpc.StatusCode.OK


def _taking_a_stream(handler: Handler) -> Handler:
    if handler.request_streaming:
        return handler
    run = adapt(handler)

    async def run_with_first(_requests: Any, context: Context) -> Any:
        return await run(await context.read(), context)

    make: Any = CONSTRUCTORS[True, handler.response_streaming]
    made: Handler = make(run_with_first, handler.request_deserializer, handler.response_serializer)
    return made


def _raising(error: Exception) -> Handler:
    async def fail(_request: Any, _context: Context) -> NoReturn:
        raise error

    return answering(fail)


def _unchanged(message: Any) -> Any:
    return message


_NOT_FOUND = answering(not_found)

"""Between the bytes of `grpc.aio` and the messages of a handler.

Natively an RPC is of the kind that its descriptor says, and takes and gives bytes. What an
interceptor has put in the place of its handler may be of another kind.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from ..rpc.handlers import Context, Handler, RpcFunction, adapt
from ..rpc.status import WITHOUT_MESSAGE, CallError, status_code
from .context import Reader, Writer

Kind = tuple[bool, bool]
"""Whether requests are a stream, and whether responses are."""

Deserializer = Callable[[bytes], Any]
Serializer = Callable[[Any], bytes]
_MALFORMED = (DecodeError, ValueError)
"""What deserializers raise at a message that they cannot read."""


def serving(handler: Handler, kind: Kind) -> RpcFunction:
    """Makes what reads the messages of a call, runs `handler` and gives what it answers.

    Args:
        handler: The RPC's own, or what an interceptor has put in its place.
        kind: That of the RPC: a single request or response is bytes.
    """
    run = adapt(handler)
    deserialize: Deserializer = handler.request_deserializer or _unchanged
    serialize: Serializer = handler.response_serializer or _unchanged
    if not any((*kind, handler.request_streaming, handler.response_streaming)):

        async def serve_message(request: Any, context: Any) -> Any:
            try:
                message = deserialize(request)
            except _MALFORMED:
                raise _undecodable() from None
            response = await run(message, context)
            if context.code_set is not None and _has_failed(context):
                return b""
            return serialize(response)

        return serve_message

    requests_stream, responses_stream = kind

    async def serve(request: Any, context: Any) -> Any:
        unread = [request]
        answers: list[bytes] = []

        async def take() -> Any:
            return unread.pop() if unread else grpc.aio.EOF

        async def keep(data: bytes) -> None:
            answers[:] = [data]  # Of several, the last one counts.

        receive: Reader = context.receive if requests_stream else take
        send: Writer = context.send if responses_stream else keep

        async def read() -> Any:
            data = await receive()
            if data is grpc.aio.EOF:
                return data
            try:
                return deserialize(data)
            except _MALFORMED:
                raise _undecodable() from None

        def write(message: Any) -> Coroutine[Any, Any, None]:
            return send(serialize(message))

        context.attach(read, write if handler.response_streaming else None)
        message = _iterate(read) if handler.request_streaming else await read()
        if message is grpc.aio.EOF:
            raise _undecodable()
        if handler.response_streaming:
            await run(message, context)
        else:
            context.response_streaming = False
            response = await run(message, context)
            if context.code_set is None or not _has_failed(context):
                await write(response)
        if responses_stream or (context.code_set is not None and _has_failed(context)):
            return b""
        if not answers:
            raise CallError(grpc.StatusCode.UNKNOWN, WITHOUT_MESSAGE)
        return answers[-1]

    return serve


async def _iterate(read: Reader) -> AsyncIterator[Any]:
    while (message := await read()) is not grpc.aio.EOF:
        yield message


def _undecodable() -> CallError:
    """How a call ends whose request is no message of its type, as gRPC's table says."""
    return CallError(grpc.StatusCode.INTERNAL, "The request is no message of its type")


def _has_failed(context: Context) -> bool:
    return status_code(context.code()) is not grpc.StatusCode.OK


def _unchanged(message: Any) -> Any:
    return message

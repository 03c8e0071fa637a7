"""The service that the conformance runner calls, as its `service.proto` describes it."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, NoReturn

import grpc
from connectrpc.conformance.v1 import service_pb2 as pb
from connectrpc.conformance.v1 import service_pb2_grpc as pb_grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

Context = grpc.aio.ServicerContext[Any, Any]
RequestInfo = pb.ConformancePayload.RequestInfo


class ConformanceService(pb_grpc.ConformanceServiceServicer):
    """Answers as each request says, and tells in the answer what of the request has arrived."""

    @classmethod
    def __add_to_server__(cls, instance: Any, server: Any) -> None:
        pb_grpc.add_ConformanceServiceServicer_to_server(instance, server)

    async def Unary(self, request: Any, context: Context) -> Any:
        definition = _given(request, "response_definition")
        return pb.UnaryResponse(payload=await _single(definition, [request], context))

    async def IdempotentUnary(self, request: Any, context: Context) -> Any:
        definition = _given(request, "response_definition")
        return pb.IdempotentUnaryResponse(payload=await _single(definition, [request], context))

    async def ClientStream(self, request_iterator: AsyncIterator[Any], context: Context) -> Any:
        requests = [request async for request in request_iterator]
        definition = _given(requests[0], "response_definition") if requests else None
        return pb.ClientStreamResponse(payload=await _single(definition, requests, context))

    async def ServerStream(self, request: Any, context: Context) -> AsyncIterator[Any]:
        definition = _given(request, "response_definition")
        await _send_metadata(definition, context)
        async for payload in _rest(definition, 0, [request], context):
            yield pb.ServerStreamResponse(payload=payload)

    async def BidiStream(
        self, request_iterator: AsyncIterator[Any], context: Context
    ) -> AsyncIterator[Any]:
        definition: Any = None
        full_duplex = False
        unanswered: list[Message] = []
        count = answered = 0
        async for request in request_iterator:
            count += 1
            unanswered.append(request)
            if count == 1:
                definition = _given(request, "response_definition")
                full_duplex = request.full_duplex
                await _send_metadata(definition, context)
            if not full_duplex:
                continue
            if definition is None or answered == len(definition.response_data):
                break
            info = _info(unanswered, context if answered == 0 else None)
            await asyncio.sleep(definition.response_delay_ms / 1000)
            data = definition.response_data[answered]
            yield pb.BidiStreamResponse(payload=pb.ConformancePayload(data=data, request_info=info))
            answered += 1
            unanswered = []
        async for payload in _rest(definition, answered, unanswered, context):
            yield pb.BidiStreamResponse(payload=payload)


async def _single(definition: Any, requests: Sequence[Message], context: Context) -> Any:
    """The payload of a method that answers with one message, which may instead be an error."""
    info = _info(requests, context)
    if definition is None:
        return pb.ConformancePayload(request_info=info)
    await _send_metadata(definition, context)
    await asyncio.sleep(definition.response_delay_ms / 1000)
    if definition.HasField("error"):
        await _fail(definition.error, info, context)
    return pb.ConformancePayload(data=definition.response_data, request_info=info)


async def _rest(
    definition: Any, answered: int, requests: Sequence[Message], context: Context
) -> AsyncIterator[Any]:
    """The payloads of a stream that are still due, and the error that may end it."""
    if definition is None:
        return
    info = _info(requests, context) if answered == 0 else None
    for data in definition.response_data[answered:]:
        await asyncio.sleep(definition.response_delay_ms / 1000)
        yield pb.ConformancePayload(data=data, request_info=info)
        info = None
    if definition.HasField("error"):
        await _fail(definition.error, info, context)


async def _send_metadata(definition: Any, context: Context) -> None:
    if definition is not None:
        context.set_trailing_metadata(_metadata(definition.response_trailers))
        await context.send_initial_metadata(_metadata(definition.response_headers))


async def _fail(error: Any, info: RequestInfo | None, context: Context) -> NoReturn:
    status = Status(code=error.code, message=error.message, details=error.details)
    if info is not None:
        status.details.add().Pack(info)
    trailing = [
        *(context.trailing_metadata() or ()),
        *rpc_status.to_status(status).trailing_metadata,
    ]
    [code] = (code for code in grpc.StatusCode if code.value[0] == error.code)
    await context.abort(code, error.message, trailing)


def _info(requests: Iterable[Message], context: Context | None) -> RequestInfo:
    """What has arrived; headers and time-out are told of with the first answer alone."""
    info = RequestInfo(requests=map(_packed, requests))
    if context is None:
        return info
    values: dict[str, list[str]] = {}
    for name, value in context.invocation_metadata() or ():
        text = base64.b64encode(value).decode() if isinstance(value, bytes) else value
        values.setdefault(name, []).append(text)
    info.request_headers.extend(pb.Header(name=name, value=values[name]) for name in values)
    remaining = context.time_remaining()
    if remaining is not None:
        info.timeout_ms = int(remaining * 1000)
    return info


def _metadata(headers: Iterable[Any]) -> list[tuple[str, str | bytes]]:
    return [
        (header.name.lower(), _value(header.name.lower(), value))
        for header in headers
        for value in header.value
    ]


def _value(name: str, value: str) -> str | bytes:
    """Binary values stand in base64 in a `Header`; what does not is meant as it stands."""
    if not name.endswith("-bin"):
        return value
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except binascii.Error:
        return value.encode()


def _given(message: Any, field: str) -> Any:
    return getattr(message, field) if message.HasField(field) else None


def _packed(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed

"""The service of gRPC's interoperability tests, by gRPC's `doc/interop-test-descriptions.md`.

Whether a message was compressed no servicer is told, so the cases of compression are not answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from interop import empty_pb2, messages_pb2, test_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]
INITIAL, TRAILING = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"


class TestService(test_pb2_grpc.TestServiceServicer):
    """Gives payloads of the sizes, and the status and metadata, that callers ask for."""

    @classmethod
    def __add_to_server__(cls, instance: Any, server: Any) -> None:
        test_pb2_grpc.add_TestServiceServicer_to_server(instance, server)

    async def EmptyCall(self, request: Any, context: Context) -> Any:
        return empty_pb2.Empty()

    async def UnaryCall(self, request: Any, context: Context) -> Any:
        await _echo_metadata(context)
        await _echo_status(request, context)
        return messages_pb2.SimpleResponse(payload=_payload(request.response_size))

    async def CacheableUnaryCall(self, request: Any, context: Context) -> Any:
        return await self.UnaryCall(request, context)

    async def StreamingOutputCall(self, request: Any, context: Context) -> AsyncIterator[Any]:
        async for response in _responses(request):
            yield response
        await _echo_status(request, context)

    async def StreamingInputCall(
        self, request_iterator: AsyncIterator[Any], context: Context
    ) -> Any:
        size = sum([len(request.payload.body) async for request in request_iterator])
        return messages_pb2.StreamingInputCallResponse(aggregated_payload_size=size)

    async def FullDuplexCall(
        self, request_iterator: AsyncIterator[Any], context: Context
    ) -> AsyncIterator[Any]:
        await _echo_metadata(context)
        async for request in request_iterator:
            await _echo_status(request, context)
            async for response in _responses(request):
                yield response

    async def HalfDuplexCall(
        self, request_iterator: AsyncIterator[Any], context: Context
    ) -> AsyncIterator[Any]:
        requests = [request async for request in request_iterator]
        for request in requests:
            async for response in _responses(request):
                yield response


async def _responses(request: Any) -> AsyncIterator[Any]:
    for parameters in request.response_parameters:
        await asyncio.sleep(parameters.interval_us / 1_000_000)
        yield messages_pb2.StreamingOutputCallResponse(payload=_payload(parameters.size))


def _payload(size: int) -> Any:
    return messages_pb2.Payload(body=bytes(size))


async def _echo_metadata(context: Context) -> None:
    metadata: dict[str, Any] = dict(context.invocation_metadata() or ())
    if TRAILING in metadata:
        context.set_trailing_metadata([(TRAILING, metadata[TRAILING])])
    if INITIAL in metadata:
        await context.send_initial_metadata([(INITIAL, metadata[INITIAL])])


async def _echo_status(request: Any, context: Context) -> None:
    if request.response_status.code:
        [code] = (one for one in grpc.StatusCode if one.value[0] == request.response_status.code)
        await context.abort(code, request.response_status.message)

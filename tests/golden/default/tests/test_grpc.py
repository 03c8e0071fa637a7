"""Every RPC over native gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest

from greeter_service.v1 import greeter_pb2 as pb
from greeter_service.v1 import greeter_pb2_grpc as pb_grpc


async def test_unary(stub: pb_grpc.GreeterAsyncStub) -> None:
    response = await stub.SayHello(pb.SayHelloRequest(name="gRPC"))
    assert response.message == "Hello, gRPC!"


async def test_unary_error(stub: pb_grpc.GreeterAsyncStub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await stub.SayHello(pb.SayHelloRequest(name="error"))
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.value.details() == "Invalid request"


async def test_server_stream(stub: pb_grpc.GreeterAsyncStub) -> None:
    call = stub.WatchGreetings(pb.WatchGreetingsRequest(name="World", count=2))
    messages = [response.message async for response in call]
    assert messages == ["Hello, World! (1)", "Hello, World! (2)"]


async def test_client_stream(stub: pb_grpc.GreeterAsyncStub) -> None:
    requests = [pb.CollectNamesRequest(name=name) for name in ("Ada", "Grace")]
    response = await stub.CollectNames(iter(requests))
    assert response.message == "Hello, Ada, Grace!"


async def test_bidirectional_stream(stub: pb_grpc.GreeterAsyncStub) -> None:
    async def chat() -> AsyncIterator[str]:
        call = stub.Chat()
        for name in ("Ada", "Grace"):
            await call.write(pb.ChatRequest(name=name))
            response = await call.read()
            assert isinstance(response, pb.ChatResponse)
            yield response.message
        await call.done_writing()

    assert [message async for message in chat()] == ["Hello, Ada!", "Hello, Grace!"]

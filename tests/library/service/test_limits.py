"""How many calls a process serves at a time."""

from __future__ import annotations

from typing import Any

import grpc
import httpx
import pytest
from greeter.settings import Settings
from greeter_service.v1 import greeter_pb2 as pb
from greeter_service.v1 import greeter_pb2_grpc as pb_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from polyrpc.process.server import Server
from polyrpc.testing import Call


@pytest.fixture
def settings() -> Settings:
    return Settings(http_port=0, grpc_port=0, max_concurrent_rpcs=1)


async def test_a_call_too_many_is_refused_by_either_protocol(
    call: Call, stub: pb_grpc.GreeterAsyncStub
) -> None:
    chat = stub.Chat()
    await chat.write(pb.ChatRequest(name="Ada"))
    await chat.read()
    refused = await call("SayHello", pb.SayHelloRequest(name="Grace"))
    assert refused.status == "RESOURCE_EXHAUSTED"
    await chat.done_writing()
    assert await chat.read() is grpc.aio.EOF
    served = await call("SayHello", pb.SayHelloRequest(name="Grace"))
    assert served.status == "OK"


async def test_over_http_it_is_429(
    http: httpx.AsyncClient,
    stub: pb_grpc.GreeterAsyncStub,
) -> None:
    chat = stub.Chat()
    await chat.write(pb.ChatRequest(name="Ada"))
    await chat.read()
    response = await http.post("/grpc/greeterservice/sayhello", json={})
    assert response.status_code == 429
    chat.cancel()


async def test_health_checks_are_always_answered(
    service: Server, stub: pb_grpc.GreeterAsyncStub
) -> None:
    chat = stub.Chat()
    await chat.write(pb.ChatRequest(name="Ada"))
    await chat.read()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)  # typed for synchronous channels only
        response = await health.Check(health_pb2.HealthCheckRequest())
    assert response.status == health_pb2.HealthCheckResponse.SERVING
    chat.cancel()

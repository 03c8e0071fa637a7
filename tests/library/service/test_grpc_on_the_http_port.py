"""gRPC on the HTTP listener is gRPC: what clients of the other port see, they see here."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import pytest
from greeter.settings import Settings
from greeter_service.v1 import greeter_pb2 as pb
from greeter_service.v1 import greeter_pb2_grpc as pb_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from polyrpc.process.server import Server
from pydantic import SecretStr

TOKEN = "bXktdG9rZW4="


@pytest.fixture
def settings() -> Settings:
    return Settings(http_port=0, grpc_port=0, http2=True)


@pytest.fixture
async def channel(service: Server) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.http_port}") as channel:
        yield channel


@pytest.fixture
def here(channel: grpc.aio.Channel) -> Any:
    """A stub of the service on the HTTP port."""
    return pb_grpc.GreeterStub(channel)


async def test_the_request_id_is_in_the_trailing_metadata(
    here: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "polyrpc"):
        call = here.SayHello(pb.SayHelloRequest(name="Ada"), metadata=[("x-request-id", "id-1")])
        assert (await call).message == "Hello, Ada!"
        assert dict(await call.trailing_metadata())["x-request-id"] == "id-1"
        (record,) = [record for record in caplog.records if record.getMessage() == "call"]
    fields: Any = vars(record)
    assert (fields["protocol"], fields["code"], fields["request_id"]) == ("grpc", "OK", "id-1")


async def test_every_kind_of_rpc_is_answered_and_counted(
    here: Any, http: httpx.AsyncClient
) -> None:
    watched = [
        message.message
        async for message in here.WatchGreetings(pb.WatchGreetingsRequest(name="Ada", count=2))
    ]
    assert watched == ["Hello, Ada! (1)", "Hello, Ada! (2)"]
    collected = await here.CollectNames(iter([pb.CollectNamesRequest(name="Ada")]))
    assert collected.message == "Hello, Ada!"
    chat = here.Chat()
    for name in ("Ada", "Grace"):
        await chat.write(pb.ChatRequest(name=name))
        assert (await chat.read()).message == f"Hello, {name}!"
    await chat.done_writing()
    assert await chat.read() is grpc.aio.EOF
    assert await chat.code() is grpc.StatusCode.OK
    metrics = (await http.get("/metrics")).text
    for method in ("WatchGreetings", "CollectNames", "Chat"):
        assert any(
            line.startswith("grpc_server_handled_total")
            and f'grpc_method="{method}"' in line
            and 'protocol="grpc"' in line
            and line.endswith(" 1.0")
            for line in metrics.splitlines()
        )


async def test_health_and_reflection_are_there(channel: grpc.aio.Channel) -> None:
    health: Any = health_pb2_grpc.HealthStub(channel)  # typed for synchronous channels only
    response = await health.Check(health_pb2.HealthCheckRequest())
    assert response.status == health_pb2.HealthCheckResponse.SERVING
    reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = [response async for response in reflection.ServerReflectionInfo(iter([asked]))]
    names = {service.name for service in answer.list_services_response.service}
    assert {"greeter_service.v1.Greeter", "grpc.health.v1.Health"} < names


async def test_a_method_that_there_is_not(channel: grpc.aio.Channel) -> None:
    for path in ("/greeter_service.v1.Greeter/Nothing", "/no.Such/Thing"):
        call: Any = channel.unary_unary(path)(b"")
        assert await call.code() is grpc.StatusCode.UNIMPLEMENTED
        assert await call.details() == "Method not found!"


@pytest.mark.parametrize(
    "settings",
    [Settings(http_port=0, grpc_port=0, http2=True, auth_tokens=SecretStr(TOKEN))],
)
async def test_strangers_are_refused_but_by_health(here: Any, channel: grpc.aio.Channel) -> None:
    for metadata, code in (
        ([], grpc.StatusCode.UNAUTHENTICATED),
        ([("authorization", f"Bearer {TOKEN}")], grpc.StatusCode.OK),
    ):
        call = here.SayHello(pb.SayHelloRequest(name="Ada"), metadata=metadata)
        assert await call.code() is code
        unknown: Any = channel.unary_unary("/greeter_service.v1.Greeter/Nothing")
        expected = code if metadata == [] else grpc.StatusCode.UNIMPLEMENTED
        assert await unknown(b"", metadata=metadata).code() is expected
    health: Any = health_pb2_grpc.HealthStub(channel)
    await health.Check(health_pb2.HealthCheckRequest())
    reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    assert await reflection.ServerReflectionInfo().code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    "settings", [Settings(http_port=0, grpc_port=0, http2=True, max_concurrent_rpcs=1)]
)
async def test_a_call_too_many_is_refused(here: Any, channel: grpc.aio.Channel) -> None:
    chat = here.Chat()
    await chat.write(pb.ChatRequest(name="Ada"))
    await chat.read()
    call = here.SayHello(pb.SayHelloRequest(name="Ada"))
    assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    health: Any = health_pb2_grpc.HealthStub(channel)
    await health.Check(health_pb2.HealthCheckRequest())
    chat.cancel()


@pytest.mark.parametrize(
    "settings", [Settings(http_port=0, grpc_port=0, http2=True, max_message_bytes=100)]
)
async def test_a_message_too_large_is_refused(here: Any) -> None:
    call = here.SayHello(pb.SayHelloRequest(name="a" * 200))
    assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "100 bytes" in await call.details()

"""Server reflection."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from greeter.app import SERVICES, serve
from greeter.settings import Settings
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_reflection.v1alpha import reflection_pb2_grpc
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from polyrpc.process.server import Server
from polyrpc.reflection import SERVICE_NAME as REFLECTION


def new_session(channel: grpc.aio.Channel) -> Any:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub  # untyped
    return stub(channel).ServerReflectionInfo()


async def test_every_service_is_listed_and_resolved(service: Server) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        session = new_session(channel)
        await session.write(ServerReflectionRequest(list_services=""))
        listed = (await session.read()).list_services_response.service
        names = {one.name for one in listed}
        assert names == {*SERVICES, HEALTH, REFLECTION}
        for name in names:
            await session.write(ServerReflectionRequest(file_containing_symbol=name))
            assert (await session.read()).file_descriptor_response.file_descriptor_proto


async def test_it_can_be_turned_off() -> None:
    async with (
        serve(Settings(http_port=0, grpc_port=0, reflection=False)) as service,
        grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel,
    ):
        session = new_session(channel)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await session.read()
    assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED

"""Health over gRPC and HTTP: one truth."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import pytest
from greeter.app import SERVICES
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from polyrpc.process.server import Server

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


@pytest.fixture
async def health(service: Server) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        yield health_pb2_grpc.HealthStub(channel)


@pytest.mark.parametrize("name", ["", *SERVICES])
async def test_the_server_and_each_service_serve(health: Any, name: str) -> None:
    assert (await health.Check(HealthCheckRequest(service=name))).status == SERVING


async def test_all_are_listed(health: Any) -> None:
    messages: Any = health_pb2
    statuses = (await health.List(messages.HealthListRequest())).statuses
    assert {name: one.status for name, one in statuses.items()} == dict.fromkeys(
        ["", *SERVICES], SERVING
    )


async def test_an_unknown_service_is_not_found(health: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await health.Check(HealthCheckRequest(service="unknown"))
    assert error.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("name", SERVICES)
async def test_a_service_that_reports_trouble_takes_the_server_with_it(
    service: Server, health: Any, http: httpx.AsyncClient, name: str
) -> None:
    watches = [health.Watch(HealthCheckRequest(service=one)) for one in ("", name)]
    assert [(await watch.read()).status for watch in watches] == [SERVING] * 2
    service.service.health.report(name, healthy=False)
    assert [(await watch.read()).status for watch in watches] == [NOT_SERVING] * 2
    assert (await http.get("/readyz")).status_code == 503
    assert (await http.get("/healthz")).status_code == 200
    service.service.health.report(name, healthy=True)
    assert [(await watch.read()).status for watch in watches] == [SERVING] * 2
    assert (await http.get("/readyz")).status_code == 200


async def test_watches_hear_of_the_end_and_do_not_delay_it(service: Server, health: Any) -> None:
    watch = health.Watch(HealthCheckRequest())
    assert (await watch.read()).status == SERVING
    # Clients of gRPC may lose the last message of a call that fails, so it comes some time before.
    service.service.health.drain()
    assert (await watch.read()).status == NOT_SERVING
    await service.stop(grace=600)
    assert await watch.code() is grpc.StatusCode.UNAVAILABLE

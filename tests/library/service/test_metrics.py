"""Metrics at `/metrics`, under the names that gRPC's own middleware uses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import grpc
import httpx
import pytest
from greeter_service.v1 import greeter_pb2 as pb
from greeter_service.v1 import greeter_pb2_grpc as pb_grpc
from polyrpc.testing import Call
from processes import log_line, started
from prometheus_client.parser import text_string_to_metric_families

SERVICE = "greeter_service.v1.Greeter"
PATH = "/grpc/greeterservice"
linux_alone = pytest.mark.skipif(
    sys.platform != "linux", reason="prometheus_client measures processes through /proc"
)


async def value(http: httpx.AsyncClient, sample: str, **labels: str) -> float:
    """Adds up the samples of this name with (at least) these labels."""
    response = await http.get("/metrics")
    assert response.status_code == 200
    return sum(
        found.value
        for family in text_string_to_metric_families(response.text)
        for found in family.samples
        if found.name == sample and found.labels.items() >= labels.items()
    )


async def test_calls_are_counted_by_status(
    call: Call, protocol: str, http: httpx.AsyncClient
) -> None:
    labels = {
        "grpc_type": "unary",
        "grpc_service": SERVICE,
        "grpc_method": "SayHello",
        "protocol": protocol,
    }

    async def counts() -> list[float]:
        return [
            await value(http, "grpc_server_started_total", **labels),
            await value(http, "grpc_server_handled_total", **labels, grpc_code="OK"),
            await value(http, "grpc_server_handled_total", **labels, grpc_code="INVALID_ARGUMENT"),
            await value(http, "grpc_server_handling_seconds_count", **labels),
        ]

    before = await counts()
    for name in ("Ada", "Grace", "error"):
        await call("SayHello", pb.SayHelloRequest(name=name))
    after = await counts()
    assert [new - old for new, old in zip(after, before, strict=True)] == [3, 2, 1, 3]


@pytest.mark.parametrize(
    ("rpc", "request_type", "grpc_type"),
    [
        ("WatchGreetings", pb.WatchGreetingsRequest, "server_stream"),
        ("CollectNames", pb.CollectNamesRequest, "client_stream"),
        ("Chat", pb.ChatRequest, "bidi_stream"),
    ],
)
async def test_a_stream_counts_once(
    call: Call,
    protocol: str,
    http: httpx.AsyncClient,
    rpc: str,
    request_type: type[pb.ChatRequest],
    grpc_type: str,
) -> None:
    labels = {"grpc_method": rpc, "grpc_type": grpc_type, "protocol": protocol, "grpc_code": "OK"}
    before = await value(http, "grpc_server_handled_total", **labels)
    await call(rpc, request_type(name="Ada"))
    assert await value(http, "grpc_server_handled_total", **labels) == before + 1


async def test_calls_in_flight_are_shown(
    http: httpx.AsyncClient,
    stub: pb_grpc.GreeterAsyncStub,
) -> None:
    before = await value(http, "grpc_server_in_flight", protocol="grpc")
    chat = stub.Chat()
    await chat.write(pb.ChatRequest(name="Ada"))
    await chat.read()
    assert await value(http, "grpc_server_in_flight", protocol="grpc") == before + 1
    await chat.done_writing()
    assert await chat.read() is grpc.aio.EOF
    assert await value(http, "grpc_server_in_flight", protocol="grpc") == before


@linux_alone
async def test_the_process_is_measured(http: httpx.AsyncClient) -> None:
    assert await value(http, "process_resident_memory_bytes") > 0


async def test_processes_that_share_a_folder_tell_their_sum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    async with started() as one, started() as other, httpx.AsyncClient() as client:
        for process in (one, other):
            port = (await log_line(process, "serving"))["http_port"]
            url = f"http://127.0.0.1:{port}"
            await client.post(f"{url}{PATH}/sayhello", json={})
        client.base_url = httpx.URL(url)
        assert await value(client, "grpc_server_handled_total", grpc_method="SayHello") == 2
        if sys.platform == "linux":
            assert await value(client, "process_resident_memory_bytes") > 0


def test_processes_that_have_had_no_call_are_added_up_too(tmp_path: Path) -> None:
    module = "polyrpc.interceptors.standard"
    command = f"from {module} import StandardInterceptor; StandardInterceptor()"
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", command], env=environment, check=True)
    assert list(tmp_path.glob("gauge_livesum_*.db"))

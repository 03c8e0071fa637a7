"""HTTP/2 on the HTTP listener of a whole service, and a service that has but that one."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from greeter.app import serve
from greeter.settings import PREFIX, Settings
from http2_wire import http2
from polyrpc.process.healthcheck import check
from polyrpc.process.server import Server
from processes import ONE_AND_TWO_WORKERS, STOP, end, log_line, needs_workers, started
from programs import CURL, H2LOAD, needs_curl, needs_h2load

PATH = "/grpc/greeterservice/sayhello"


async def say_hello(port: int, *arguments: str) -> Any:
    """Calls the RPC over HTTP/2, by curl."""
    process = await asyncio.create_subprocess_exec(
        *(CURL, "-sS", "--http2-prior-knowledge", "--json", '{"name": "World"}', *arguments),
        *("-w", " %{http_version}", f"http://127.0.0.1:{port}{PATH}"),
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await process.communicate()
    body, version = told.rsplit(b" ", 1)
    assert version == b"2"
    return json.loads(body)


@pytest.fixture
def settings() -> Settings:
    return Settings(http_port=0, grpc_port=0, http2=True, auth_tokens="secret")


@needs_curl
async def test_rpcs_are_served_logged_and_counted_as_over_http_1_1(
    service: Server, http: httpx.AsyncClient
) -> None:
    with_token = ("-H", "authorization: Bearer secret")
    assert await say_hello(service.http_port, *with_token) == {"message": "Hello, World!"}
    assert (await say_hello(service.http_port))["status"] == "UNAUTHENTICATED"
    metrics = (await http.get("/metrics")).text
    for code in ("OK", "UNAUTHENTICATED"):
        assert re.search(rf'handled_total\{{[^}}]*grpc_code="{code}"[^}}]*protocol="http"', metrics)


@pytest.mark.parametrize(("body", "status"), [(b"", 200), (b"{}", 415)])
async def test_the_type_of_no_content_is_not_judged(
    service: Server, body: bytes, status: int
) -> None:
    fields = (("content-type", "text/plain"), ("authorization", "Bearer secret"))
    async with http2(service.http_port) as client:
        response = await client.response(client.ask(PATH, *fields, method="POST", body=body))
        assert response.status == status


@needs_curl
@pytest.mark.parametrize("workers", ONE_AND_TWO_WORKERS)
async def test_a_service_may_have_one_port(workers: int) -> None:
    async with started(HTTP2="true", GRPC_SERVER="none", WORKERS=workers) as process:
        line = await log_line(process, "serving")
        port = line["http_port"]
        assert line["event"] == f"serving HTTP and gRPC on 127.0.0.1:{port}"
        assert line["grpc_port"] == port
        assert await say_hello(port) == {"message": "Hello, World!"}
        process.send_signal(STOP)
        status, _ = await end(process)
        assert status == 0


@needs_curl
@needs_workers
@pytest.mark.full
async def test_its_workers_are_replaced_as_those_of_others_are() -> None:
    async with started(HTTP2="true", GRPC_SERVER="none", WORKERS=2) as process:
        port = (await log_line(process, "serving"))["http_port"]
        process.send_signal(signal.SIGHUP)
        await log_line(process, "replaced the workers")
        assert await say_hello(port) == {"message": "Hello, World!"}


async def test_the_health_check_of_a_service_with_one_port() -> None:
    settings = Settings(http_port=0, grpc_port=0, http2=True, grpc_server="none")
    async with serve(settings) as service:
        assert service.grpc_port == service.http_port
        await asyncio.to_thread(check, settings.model_copy(update={"http_port": service.http_port}))


async def test_one_port_without_http2_is_refused_in_one_line() -> None:
    async with started(GRPC_SERVER="none") as process:
        _, errors = await process.communicate()
    assert process.returncode == 2
    (line,) = errors.decode().splitlines()
    assert f"{PREFIX}GRPC_SERVER=none" in line
    assert f"{PREFIX}HTTP2=true" in line


@needs_h2load
@pytest.mark.full
async def test_no_call_of_h2load_is_lost_when_the_service_stops(tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_text('{"name": "World"}')
    async with started(HTTP2="true") as process:
        port = (await log_line(process, "serving"))["http_port"]
        load = await asyncio.create_subprocess_exec(
            *(H2LOAD, "-D", "4", "-c", "5", "-m", "10", "-d", str(body)),
            *("-H", "content-type: application/json", f"http://127.0.0.1:{port}{PATH}"),
            stdout=asyncio.subprocess.PIPE,
        )
        calls = [await log_line(process, "call") for _ in range(300)]
        process.send_signal(STOP)
        status, lines = await end(process)
        told, _ = await load.communicate()
        assert status == 0
    calls += [line for line in lines if line["event"] == "call"]
    assert {call["code"] for call in calls} == {"OK"}
    # What it counts as errors it has not sent: it was told before to ask for no more.
    counts = {name: int(count) for count, name in re.findall(r"(\d+) (\w+)", told.decode())}
    assert counts["succeeded"] == len(calls), told.decode()
    assert counts["failed"] == counts["errored"], told.decode()

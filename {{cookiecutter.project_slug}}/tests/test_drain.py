"""Stopping: no call is lost that could be finished, on either protocol."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator

import grpc
import httpx
import pytest

from {{ cookiecutter.package_name }}.client import channel
from {{ cookiecutter.package_name }}.v1 import {{ cookiecutter.__proto_name }}_pb2 as pb
from {{ cookiecutter.package_name }}.v1 import {{ cookiecutter.__proto_name }}_pb2_grpc as pb_grpc

from .processes import end, log_line, started

PATH = "/grpc/{{ cookiecutter.service_name | lower }}service"
NDJSON = {"content-type": "application/x-ndjson"}


class Names:
    """A request stream over HTTP that says one name, waits for `go_on`, and says another."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'{"name": "Ada"}\n'
        await self.go_on.wait()
        yield b'{"name": "Grace"}\n'


@pytest.mark.parametrize("workers", [1, 2])
async def test_calls_in_flight_are_finished(workers: int) -> None:
    async with started(WORKERS=workers, SHUTDOWN_GRACE_SECONDS=60) as process:
        ports = await log_line(process, "serving")
        names = Names()
        async with (
            channel(f"127.0.0.1:{ports['grpc_port']}", attempts=1) as grpc_channel,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports['http_port']}") as client,
            client.stream("POST", f"{PATH}/chat", content=names, headers=NDJSON) as response,
        ):
            lines = response.aiter_lines()
            assert json.loads(await anext(lines)) == {"result": {"message": "Hello, Ada!"}}
            chat = pb_grpc.{{ cookiecutter.service_name }}Stub(grpc_channel).Chat()
            await chat.write(pb.ChatRequest(name="Ada"))
            await chat.read()

            process.send_signal(signal.SIGTERM)
            await log_line(process, "stopping")
            names.go_on.set()
            assert json.loads(await anext(lines)) == {"result": {"message": "Hello, Grace!"}}
            await chat.write(pb.ChatRequest(name="Grace"))
            assert await chat.read() == pb.ChatResponse(message="Hello, Grace!")
            await chat.done_writing()
            assert await chat.code() is grpc.StatusCode.OK
        assert (await end(process))[0] == 0


@pytest.mark.parametrize("reason", ["the grace is over", "a second signal"])
async def test_calls_that_go_on_for_too_long_are_told_so(reason: str) -> None:
    grace = 0 if reason == "the grace is over" else 600
    async with started(SHUTDOWN_GRACE_SECONDS=grace) as process:
        ports = await log_line(process, "serving")
        async with (
            channel(f"127.0.0.1:{ports['grpc_port']}", attempts=1) as grpc_channel,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports['http_port']}") as client,
            client.stream("POST", f"{PATH}/chat", content=Names(), headers=NDJSON) as response,
        ):
            lines = response.aiter_lines()
            await anext(lines)
            request = client.post(f"{PATH}/collectnames", content=Names(), headers=NDJSON)
            unary = asyncio.create_task(request)
            chat = pb_grpc.{{ cookiecutter.service_name }}Stub(grpc_channel).Chat()
            await chat.write(pb.ChatRequest(name="Ada"))
            await chat.read()

            process.send_signal(signal.SIGTERM)
            if reason == "a second signal":
                await log_line(process, "stopping")
                process.send_signal(signal.SIGTERM)
            assert await chat.code() is grpc.StatusCode.UNAVAILABLE
            assert json.loads(await anext(lines))["error"]["status"] == "UNAVAILABLE"
            assert (await unary).status_code == 503
            assert (await unary).json()["status"] == "UNAVAILABLE"
        status, logged = await end(process)
    assert status == 0
    assert not [line for line in logged if line["level"] == "error" or "exception" in line]

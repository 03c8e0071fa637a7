"""Stopping: no call is lost that could be finished, on either protocol."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from greeter.app import serve
from greeter.settings import Settings
from greeter_service.v1 import greeter_pb2 as pb
from greeter_service.v1 import greeter_pb2_grpc as pb_grpc
from polyrpc.client import channel
from processes import ONE_AND_TWO_WORKERS, STOP, end, log_line, started


class HttpCall:
    """A request stream over HTTP whose answer is read while it is sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def start(self, rpc: str) -> None:
        self._writer.write(
            f"POST /grpc/greeterservice/{rpc} HTTP/1.1\r\nhost: a\r\n"
            "content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n".encode()
        )

    def send(self, name: str) -> None:
        line = json.dumps({"name": name}).encode() + b"\n"
        self._writer.write(b"%x\r\n%s\r\n" % (len(line), line))

    def done(self) -> None:
        self._writer.write(b"0\r\n\r\n")

    async def headers(self) -> bytes:
        return await self._reader.readuntil(b"\r\n\r\n")

    async def message(self) -> Any:
        """The next line of a stream of responses."""
        await self._reader.readline()  # the chunk's length
        message = json.loads(await self._reader.readline())
        await self._reader.readline()
        return message

    async def rest(self) -> bytes:
        return await self._reader.read()


@asynccontextmanager
async def http_call(port: int, rpc: str) -> AsyncIterator[HttpCall]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    call = HttpCall(reader, writer)
    call.start(rpc)
    call.send("Ada")
    yield call
    writer.close()


@pytest.mark.parametrize("workers", ONE_AND_TWO_WORKERS)
async def test_calls_in_flight_are_finished(workers: int) -> None:
    async with started(WORKERS=workers, SHUTDOWN_GRACE_SECONDS=60) as process:
        ports = await log_line(process, "serving")
        async with (
            channel(f"127.0.0.1:{ports['grpc_port']}", attempts=1) as grpc_channel,
            http_call(ports["http_port"], "chat") as http_chat,
        ):
            await http_chat.headers()
            assert await http_chat.message() == {"result": {"message": "Hello, Ada!"}}
            chat = pb_grpc.GreeterStub(grpc_channel).Chat()
            await chat.write(pb.ChatRequest(name="Ada"))
            await chat.read()

            process.send_signal(STOP)
            await log_line(process, "stopping")
            http_chat.send("Grace")
            assert await http_chat.message() == {"result": {"message": "Hello, Grace!"}}
            http_chat.done()
            await chat.write(pb.ChatRequest(name="Grace"))
            assert await chat.read() == pb.ChatResponse(message="Hello, Grace!")
            await chat.done_writing()
            assert await chat.code() is grpc.StatusCode.OK
        status, _ = await end(process)
    assert status == 0


@pytest.mark.parametrize("reason", ["the grace is over", "a second signal"])
async def test_calls_that_take_too_long_are_told_so(reason: str) -> None:
    grace = 0 if reason == "the grace is over" else 600
    async with started(SHUTDOWN_GRACE_SECONDS=grace) as process:
        ports = await log_line(process, "serving")
        async with (
            channel(f"127.0.0.1:{ports['grpc_port']}", attempts=1) as grpc_channel,
            http_call(ports["http_port"], "collectnames") as unanswered,
            http_call(ports["http_port"], "chat") as http_chat,
        ):
            await http_chat.headers()
            await http_chat.message()
            chat = pb_grpc.GreeterStub(grpc_channel).Chat()
            await chat.write(pb.ChatRequest(name="Ada"))
            await chat.read()

            process.send_signal(STOP)
            if reason == "a second signal":
                await log_line(process, "stopping")
                process.send_signal(STOP)
            assert await chat.code() is grpc.StatusCode.UNAVAILABLE
            assert (await http_chat.message())["error"]["status"] == "UNAVAILABLE"
            assert (await unanswered.headers()).startswith(b"HTTP/1.1 503 ")
            assert json.loads(await unanswered.rest())["status"] == "UNAVAILABLE"
        status, logged = await end(process)
    assert status == 0
    assert not [line for line in logged if line["level"] == "error" or "exception" in line]


@pytest.mark.skipif(sys.platform != "linux", reason="workers share the port on Linux alone")
@pytest.mark.parametrize("workers", [1, 2])
async def test_no_client_of_a_sibling_comes_in_while_it_says_goodbye(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[int] = []
    monkeypatch.setattr("polyrpc.process.server.drop_new_connections", left.append)
    async with serve(Settings(http_port=0, grpc_port=0, workers=workers)) as service:
        port = service.grpc_port
        assert not left
    assert left == [port] * (workers > 1)

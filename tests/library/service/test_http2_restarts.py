"""Callers over HTTP/2 lose no call when workers are replaced, or when the service stops.

A call is lost that was begun on a stream up to the last one of the server's GOAWAY, and was not
answered. One on a later stream was not served, which its client knows; and one for which nobody
accepts a connection was not begun.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from greeter_service.v1 import greeter_pb2 as pb
from greeter_service.v1 import greeter_pb2_grpc as pb_grpc
from http2_wire import (
    ACK,
    GOAWAY,
    PING,
    REFUSED_STREAM,
    WHOLE_WINDOW,
    Answer,
    Http2Client,
    frame,
    http2,
)
from processes import STOP, Process, log_line, needs_workers, started, workers_of
from wire import until

PATH = "/grpc/greeterservice/sayhello"
JSON = ("content-type", "application/json")
GREETING = "Hello, World!"
CONNECTIONS = 4
STREAMS = 20
CALLS = 200
"""How many are answered before something is done to the service, and after."""

pytestmark = [needs_workers, pytest.mark.full]


@dataclass
class Callers:
    """What became of the calls of some clients.

    Attributes:
        over: No further calls.
        answered: By client: how many calls were.
        unserved: How many the server said it has not served.
        refused: For how many nobody accepted a connection.
        lost: What became of the others.
    """

    port: int
    over: bool = False
    answered: dict[str, int] = field(default_factory=dict)
    unserved: int = 0
    refused: int = 0
    lost: list[str] = field(default_factory=list)

    def note(self, client: str, told: object, expected: object) -> None:
        """A call has ended."""
        if told == expected:
            self.answered[client] = self.answered.get(client, 0) + 1
        else:
            self.lost.append(f"{client}: {told}")

    async def have_called(self) -> None:
        """Waits until each kind of client has made some calls, from now on."""
        before = dict(self.answered)
        await until(
            lambda: all(
                self.answered.get(client, 0) >= before.get(client, 0) + calls
                for client, calls in (("frames", CALLS), ("unary", CALLS), ("chat", 5))
            )
        )

    # One that knows frames

    async def keep_asking(self) -> None:
        """Has many streams in flight at a time, on one connection after the other."""
        while not self.over:
            try:
                async with http2(self.port) as client:
                    await self._ask(client)
            except ConnectionRefusedError:
                self.refused += 1
                await asyncio.sleep(0.05)

    async def _ask(self, client: Http2Client) -> None:
        """Asks until it is told to ask no more, and waits for what it has asked."""
        client.give(0, WHOLE_WINDOW - 65_535)
        in_flight: set[int] = set()
        last = WHOLE_WINDOW
        told_to_stop = False
        while True:
            while len(in_flight) < STREAMS and not (told_to_stop or self.over):
                in_flight.add(client.ask(PATH, JSON, body=b'{"name": "World"}'))
            if not in_flight:
                return
            try:
                one = await client.frame()
            except EOFError:
                break
            client.seen.clear()
            if one.kind == GOAWAY:
                told_to_stop = True
                last = int.from_bytes(one.payload[:4], "big")
            elif one.kind == PING and not one.flags & ACK:
                client.send(frame(PING, ACK, 0, one.payload))
            answer = client.answers.get(one.stream)
            if one.stream in in_flight and answer is not None and is_over(answer):
                in_flight.discard(one.stream)
                del client.answers[one.stream]
                self._note_answer(answer)
        for stream in in_flight:
            if stream > last:
                self.unserved += 1
            else:
                self.lost.append(f"frames: stream {stream} of {last} without an answer")

    def _note_answer(self, answer: Answer) -> None:
        if answer.reset == REFUSED_STREAM:
            self.unserved += 1
        elif answer.status != 200:
            self.lost.append(f"frames: {answer}")
        else:
            self.note("frames", answer.told, {"message": GREETING})

    # gRPC's own

    async def keep_calling(self, stub: Any) -> None:
        """Makes unary calls."""
        while not self.over:
            with self._told_of():
                answer = await stub.SayHello(pb.SayHelloRequest(name="World"))
                self.note("unary", answer.message, GREETING)

    async def keep_chatting(self, stub: Any) -> None:
        """Has streams, which take their time."""
        while not self.over:
            with self._told_of():
                chat = stub.Chat()
                heard = []
                for _ in range(5):
                    await chat.write(pb.ChatRequest(name="World"))
                    heard.append((await chat.read()).message)
                    await asyncio.sleep(0.03)
                await chat.done_writing()
                assert await chat.read() is grpc.aio.EOF
                self.note("chat", heard, [GREETING] * 5)

    @contextmanager
    def _told_of(self) -> Iterator[None]:
        try:
            yield
        except grpc.aio.AioRpcError as error:
            if "onnection refused" in (error.details() or ""):
                self.refused += 1
            else:
                self.lost.append(f"gRPC: {error.code().name} {error.details()}")


def is_over(answer: Answer) -> bool:
    return answer.is_complete or answer.reset is not None


@asynccontextmanager
async def called(port: int) -> AsyncIterator[Callers]:
    """Has clients call during the block, and some of them have been answered before."""
    callers = Callers(port)
    # Each channel has a connection of its own.
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) for _ in range(CONNECTIONS)]
    stubs = [pb_grpc.GreeterStub(channel) for channel in channels]
    try:
        async with asyncio.TaskGroup() as group:
            for stub in stubs:
                group.create_task(callers.keep_asking())
                group.create_task(callers.keep_calling(stub))
                group.create_task(callers.keep_chatting(stub))
            await callers.have_called()
            yield callers
            callers.over = True
    finally:
        for channel in channels:
            await channel.close()


@asynccontextmanager
async def service() -> AsyncIterator[tuple[Process, int]]:
    async with started(WORKERS=2, HTTP2="true", GRPC_SERVER="none") as process:
        yield process, (await log_line(process, "serving"))["http_port"]


async def said(process: Process, event: str) -> None:
    """Waits for a line of the supervisor: workers that find the pipe full cut into each other's."""
    assert process.stderr is not None
    async for line in process.stderr:
        if event.encode() in line:
            return
    raise AssertionError(f"the process ended without saying {event!r}")


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux lets a listener leave its port to others unnoticed"
)
async def test_a_rolling_restart_loses_no_call_over_http2() -> None:
    async with service() as (process, port):
        before = workers_of(process)
        async with called(port) as callers:
            process.send_signal(signal.SIGHUP)
            await said(process, "replaced the workers")
            await callers.have_called()
        assert callers.lost == []
        assert callers.refused == 0
        assert not workers_of(process) & before


async def test_a_stop_loses_no_call_over_http2() -> None:
    async with service() as (process, port):
        async with called(port) as callers:
            process.send_signal(STOP)
            await process.communicate()
            assert process.returncode == 0
            await until(lambda: callers.refused)
        assert callers.lost == []

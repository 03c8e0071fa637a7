"""A call over HTTP/2 that ends while a message waits for its client to take the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from http2_wire import DATA, INTERNAL_ERROR, http2
from protocol_clients import envelope
from serving import EchoService, gateway_of, serving
from testing.v1 import testing_pb2 as pb
from wire import serving as http_server

PATH = "/testing.v1.Echo/ServerStream"
MORE_THAN_A_WINDOW = 100_000
TIMEOUT = ("grpc-timeout", "200m")


class Large(EchoService):
    """Sends a message that no client takes at once, and notes how that ends."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def ServerStream(self, request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            yield pb.EchoResponse(text="x" * MORE_THAN_A_WINDOW)
        finally:
            self.ended.set()


class LargeInThread(Large):
    """Does so in a thread, which nobody can cancel."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()

    def ServerStream(self, request: Any, context: Any) -> Iterator[Any]:  # type: ignore[override] # as grpc.aio allows
        try:
            yield pb.EchoResponse(text="x" * MORE_THAN_A_WINDOW)
        finally:
            self._loop.call_soon_threadsafe(self.ended.set)


SERVICES = pytest.mark.parametrize("service_class", [Large, LargeInThread])


@SERVICES
@pytest.mark.parametrize(
    ("path", "content_type", "deadline", "body"),
    [
        (PATH, "application/connect+proto", ("connect-timeout-ms", "200"), envelope(b"")),
        (PATH, "application/grpc-web+proto", TIMEOUT, envelope(b"")),
        ("/grpc/large/serverstream", "application/json", TIMEOUT, b"{}"),
    ],
)
async def test_nothing_is_said_behind_a_part_of_a_message(
    path: str,
    content_type: str,
    deadline: tuple[str, str],
    body: bytes,
    service_class: type[Large],
) -> None:
    service = service_class()
    async with (
        serving(gateway_of(service)) as served,
        http_server(served.app, http2=True) as port,
        http2(port) as client,
    ):
        path = path.replace("large", service_class.__name__.lower())
        stream = client.ask(path, ("content-type", content_type), deadline, body=body)
        await client.until(DATA, stream)
        async with asyncio.timeout(30):
            await service.ended.wait()
        got = await client.response(stream)
        assert (got.reset, got.is_complete) == (INTERNAL_ERROR, False)
        assert b"eadline" not in got.body
        # The others on the connection go on, once the client takes more.
        client.give(0, MORE_THAN_A_WINDOW)
        again = client.ask(PATH, ("content-type", "application/json"))
        assert (await client.response(again)).status == 415


@SERVICES
async def test_trailers_tell_grpc_why_a_message_is_not_whole(service_class: type[Large]) -> None:
    service = service_class()
    async with (
        serving(gateway_of(service)) as served,
        http_server(served.app, http2=True) as port,
        http2(port) as client,
    ):
        stream = client.ask(PATH, ("content-type", "application/grpc"), TIMEOUT, body=envelope(b""))
        got = await client.response(stream)
        async with asyncio.timeout(30):
            await service.ended.wait()
        client.give(0, MORE_THAN_A_WINDOW)
        await client.ping()
    assert (got.trailers["grpc-status"], got.is_complete) == ("4", True)
    assert len(got.body) < MORE_THAN_A_WINDOW


class Orphan(EchoService):
    """Ends while a task of its own still sends a message."""

    async def ServerStream(self, request: Any, context: Any) -> None:  # type: ignore[override] # as grpc.aio allows
        self.task = asyncio.ensure_future(
            context.write(pb.EchoResponse(text="x" * MORE_THAN_A_WINDOW))
        )
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "content_type",
    ["application/grpc", "application/grpc-web+proto", "application/connect+proto"],
)
async def test_the_end_comes_behind_what_another_task_sends(content_type: str) -> None:
    service = Orphan()
    async with (
        serving(gateway_of(service)) as served,
        http_server(served.app, http2=True) as port,
        http2(port) as client,
    ):
        stream = client.ask(PATH, ("content-type", content_type), body=envelope(b""))
        await client.until(DATA, stream)
        await client.ping()
        client.give(0, MORE_THAN_A_WINDOW)
        client.give(stream, MORE_THAN_A_WINDOW)
        got = await client.response(stream)
        assert got.is_complete
        assert len(got.body) > MORE_THAN_A_WINDOW
        await service.task

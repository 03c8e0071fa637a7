"""How a server that stops leaves its clients of HTTP/2: with nothing lost that they asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from applications import Calls
from http2_wire import GOAWAY, NO_ERROR, PING, frame, http2
from polyrpc.server.http_server import HttpServer
from polyrpc.server.sockets import listen
from polyrpc.settings import ServiceSettings
from wire import until


@asynccontextmanager
async def server(app: Any, **settings: Any) -> AsyncIterator[tuple[HttpServer, int]]:
    one = HttpServer(app, ServiceSettings(http2=True, **settings))
    listener = listen("127.0.0.1", 0, "HTTP")
    port = listener.getsockname()[1]
    await one.start(listener)
    try:
        yield one, port
    finally:
        await one.stop(0)


async def test_a_drain_goes_on_serving() -> None:
    async with server(Calls()) as (one, port), http2(port) as client:
        await client.response(client.ask("/early"))
        one.drain()
        await client.response(client.ask("/early"))
        assert not client.frames(GOAWAY)
        async with http2(port) as other:
            assert (await other.response(other.ask("/early"))).status == 413


async def test_a_stop_serves_what_was_asked_until_the_client_knows() -> None:
    calls = Calls()
    async with server(calls) as (one, port), http2(port) as client:
        first = client.ask("/wait/1")
        await until(lambda: calls.begun)
        stop = asyncio.create_task(one.stop(10))
        assert (await client.until(GOAWAY)).payload[:4] == b"\x7f\xff\xff\xff"
        ping = await client.until(PING)
        late = client.ask("/wait/2")
        client.send(frame(PING, 1, 0, ping.payload))
        last = await client.until(GOAWAY)
        assert (last.payload[:4], last.code) == (late.to_bytes(4, "big"), NO_ERROR)
        client.ask("/wait/3")
        await client.ping()
        calls.release.set()
        for stream, path in ((first, b"/wait/1"), (late, b"/wait/2")):
            assert (await client.response(stream)).body == path
        assert await client.fault() == NO_ERROR
        await stop
    assert calls.begun == ["/wait/1", "/wait/2"]


async def test_an_idle_connection_ends_with_the_server() -> None:
    async with server(Calls()) as (one, port), http2(port) as client:
        await client.ping()
        stop = asyncio.create_task(one.stop(10))
        ping = await client.until(PING)
        client.send(frame(PING, 1, 0, ping.payload))
        assert await client.fault() == NO_ERROR
        client.writer.close()
        await stop


async def test_who_does_not_answer_is_waited_for_a_moment() -> None:
    async with server(Calls()) as (one, port), http2(port) as client:
        await client.ping()
        async with asyncio.timeout(8):
            await one.stop(10)
        assert await client.fault() == NO_ERROR
        assert len(client.frames(GOAWAY)) == 2


async def test_what_takes_longer_than_the_grace_is_told_so() -> None:
    calls = Calls()
    async with server(calls) as (one, port), http2(port) as client:
        stream = client.ask("/wait")
        await until(lambda: calls.begun)
        await one.stop(0.05)
        got = await client.response(stream)
        assert (got.status, got.told["detail"]) == (503, "the server is stopping")


async def test_who_connects_while_it_stops_is_answered() -> None:
    calls = Calls()
    async with server(calls) as (one, port), http2(port) as holding:
        holding.ask("/wait")
        await until(lambda: calls.begun)
        async with http2(port, begin=False) as client:  # It waits to be accepted, or is.
            stop = asyncio.create_task(one.stop(10))
            client.begin()
            assert (await client.response(client.ask("/early"))).status == 413
            client.writer.close()
        calls.release.set()
        holding.writer.close()
        await stop


async def test_no_call_is_lost_by_clients_that_follow_the_rules() -> None:
    """Clients ask as fast as they can until they are told not to; each of their calls is served."""
    lost: list[int] = []
    answered: list[int] = []

    async def call(port: int) -> None:
        async with http2(port) as client:
            while not client.frames(GOAWAY):
                streams = [client.ask("/early") for _ in range(10)]
                for stream in streams:
                    try:
                        got = await client.response(stream)
                    except EOFError:
                        lost.append(stream)
                        continue
                    (answered if got.is_complete else lost).append(stream)

    async with server(Calls()) as (one, port):
        clients = [asyncio.create_task(call(port)) for _ in range(10)]
        await until(lambda: len(answered) > 200)
        await one.stop(10)
        await asyncio.gather(*clients)
    assert lost == []

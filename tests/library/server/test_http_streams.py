"""Streamed responses: what is ready leaves together, and none of it waits for what comes later."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from polyrpc.server.connections import Connections, Limits
from polyrpc.server.exchange import HIGH_WATER_BYTES
from polyrpc.server.http_protocol import HttpProtocol
from wire import Transport, connected, request, serving, turns

LAST = b"0\r\n\r\n"


async def start(send: Any, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def part(send: Any, body: bytes, *, more_body: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more_body})


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


async def written(app: Any, requests: int = 1) -> list[bytes]:
    """What an application has a connection write, by system calls."""
    transport = Transport()
    connections = Connections(app, Limits(20, 75, 16_384, 300, 4_000_000))
    protocol = HttpProtocol(connections, asyncio.get_running_loop())
    protocol.connection_made(transport)
    protocol.data_received(request() * requests)
    await turns(10)
    protocol.connection_lost(None)
    return transport.writes


@pytest.mark.parametrize(
    "headers",
    [(), ((b"content-length", b"3"),), ((b"connection", b"close"),)],
    ids=["chunks", "a length", "the last response"],
)
async def test_a_part_arrives_while_the_application_waits_for_its_client(headers: Any) -> None:
    go_on = asyncio.Event()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await start(send, *headers)
        for body in (b"a", b"b", b"c"):
            await part(send, body)
            await go_on.wait()
            go_on.clear()
        await part(send, b"", more_body=False)

    async with asyncio.timeout(30), serving(app) as port, connected(port) as client:
        client.send(request())
        for body in (b"a", b"b", b"c"):
            sent = body if b"content-length" in dict(headers) else chunk(body)
            assert (await client.reader.readuntil(sent)).endswith(sent)
            go_on.set()
        if headers == ():
            assert await client.reader.readexactly(len(LAST)) == LAST


async def test_the_headers_arrive_before_there_is_a_part() -> None:
    go_on = asyncio.Event()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await start(send)
        await go_on.wait()
        await part(send, b"a", more_body=False)

    async with asyncio.timeout(30), serving(app) as port, connected(port) as client:
        client.send(request())
        assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        go_on.set()
        assert await client.reader.readexactly(11) == chunk(b"a") + LAST


async def test_parts_of_one_turn_leave_by_one_system_call() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await start(send)
        for number in range(20):
            await part(send, b"%d" % number)
        await asyncio.sleep(0)
        await part(send, b"x")
        await part(send, b"y", more_body=False)

    first, *others = await written(app)
    assert first.endswith(b"\r\n\r\n" + b"".join(chunk(b"%d" % number) for number in range(20)))
    assert others == [chunk(b"x") + chunk(b"y") + LAST]


async def test_a_long_stream_waits_for_no_turn() -> None:
    half = bytes(HIGH_WATER_BYTES // 2)

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await start(send)
        for _ in range(4):
            await part(send, half)
        await part(send, b"", more_body=False)

    first, second, last = await written(app)
    assert first.endswith(chunk(half) * 2)
    assert second == chunk(half) * 2
    assert last == LAST


async def test_a_response_follows_what_is_left_of_the_one_before() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await start(send, (b"content-length", b"1"))
        await part(send, b"a")
        await part(send, b"", more_body=False)

    answers = b"".join(await written(app, 3))
    assert answers.count(b"HTTP/1.1 200 OK") == 3
    assert [one[-1:] for one in answers.split(b"HTTP/1.1")[1:]] == [b"a"] * 3

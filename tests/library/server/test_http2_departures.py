"""Clients that leave, or give a stream up: what they asked for is cancelled, and nothing stays."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest
from applications import Calls
from http2_wire import (
    CANCEL,
    DATA,
    GOAWAY,
    HEADERS,
    RST_STREAM,
    Http2Client,
    frame,
    http2,
    number,
    setting,
)
from polyrpc.server.http2_protocol import Http2Protocol
from test_http_departures import leave
from wire import descriptors, serving, until


def connections() -> list[Http2Protocol]:
    """Those that are in memory, of whatever server."""
    return [one for one in gc.get_objects() if isinstance(one, Http2Protocol)]


WAYS = ["resets the stream", "closes", "resets", "closes its half"]


def give_up(client: Http2Client, stream: int, way: str) -> None:
    if way == "resets the stream":
        client.send(frame(RST_STREAM, 0, stream, number(CANCEL)))
    else:
        leave(client, way)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("phase", ["asked", "sent a part", "sent too much", "with others"])
async def test_a_call_ends_when_nobody_waits_for_it(phase: str, way: str) -> None:
    calls = Calls()
    async with serving(calls, http2=True) as port:
        before = descriptors()
        async with http2(port) as client:
            path = "/wait" if phase in ("asked", "with others") else "/unread"
            stream = client.ask(path, end=path == "/wait")
            if phase == "sent a part":
                client.data(stream, b"abc")
            elif phase == "sent too much":
                for _ in range(7):
                    client.data(stream, bytes(16_384))
            elif phase == "with others":
                for _ in range(50):
                    client.ask("/early")
            await until(lambda: path in calls.begun)
            give_up(client, stream, way)
            await until(lambda: calls.gone == [path])
            if way == "resets the stream":
                assert (await client.response(client.ask())).status == 200
        await until(lambda: descriptors() <= before)


@pytest.mark.parametrize("way", ["closes", "resets"])
async def test_nothing_is_left_of_a_client_that_says_goodbye_in_the_midst_of_a_call(
    way: str,
) -> None:
    calls = Calls()
    others = weakref.WeakSet(connections())
    async with serving(calls, http2=True) as port, http2(port) as client:
        client.ask("/wait")
        await until(lambda: calls.begun)
        (connection,) = [weakref.ref(one) for one in connections() if one not in others]
        client.send(frame(GOAWAY, 0, 0, bytes(8)))
        await client.ping()
        leave(client, way)
        await until(lambda: calls.gone)

        def is_forgotten() -> bool:
            gc.collect()
            return connection() is None

        await until(is_forgotten)


@pytest.mark.parametrize("way", WAYS)
async def test_also_in_the_middle_of_its_answer(way: str) -> None:
    ended = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await receive()
        ended.append((await receive())["type"])

    async with serving(app, http2=True) as port, http2(port) as client:
        stream = client.ask()
        await client.until(DATA, stream)
        give_up(client, stream, way)
        await until(lambda: ended == ["http.disconnect"])


@pytest.mark.parametrize("way", WAYS)
async def test_also_while_it_waits_for_the_window(way: str) -> None:
    ended = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(1_000_000), "more_body": True})
        ended.append((await receive())["type"])
        ended.append((await receive())["type"])

    settings = setting(4, 10)
    async with serving(app, http2=True) as port, http2(port, settings=settings) as client:
        stream = client.ask()
        await client.until(DATA, stream)
        give_up(client, stream, way)
        await until(lambda: ended[-1:] == ["http.disconnect"])


@pytest.mark.parametrize("way", WAYS)
async def test_also_before_its_first_step(way: str) -> None:
    calls = Calls()
    async with serving(calls, http2=True) as port, http2(port) as client:
        await client.ping()
        stream = client.ask("/wait")
        give_up(client, stream, way)
        await until(lambda: calls.begun == calls.gone or way != "resets the stream")
        if way == "resets the stream":
            assert (await client.response(client.ask())).status == 200


async def test_nothing_is_sent_on_a_stream_that_was_given_up() -> None:
    calls = Calls()
    async with serving(calls, http2=True) as port, http2(port) as client:
        stream = client.ask("/deaf")
        await until(lambda: calls.begun)
        client.send(frame(RST_STREAM, 0, stream, number(CANCEL)))
        await client.ping()
        calls.release.set()
        await asyncio.sleep(0)
        await client.ping()
        assert not client.frames(HEADERS, stream)


async def test_what_is_said_of_streams_that_have_ended_is_overlooked() -> None:
    async with serving(Calls(), http2=True) as port, http2(port) as client:
        stream = client.ask("/early")
        await client.response(stream)
        client.send(frame(RST_STREAM, 0, stream, number(CANCEL)))
        client.give(stream, 10)
        assert (await client.response(client.ask())).status == 200

"""How long a client of HTTP/2 may take, in every phase in which it is waited for."""

from __future__ import annotations

import asyncio

import pytest
from applications import Calls
from http2_wire import (
    CANCEL,
    DATA,
    END_HEADERS,
    ENHANCE_YOUR_CALM,
    GOAWAY,
    HEADERS,
    NO_ERROR,
    PING,
    frame,
    http2,
    setting,
)
from test_http_time import trickling
from wire import TIMEOUT, connected, descriptors, serving, until

pytestmark = pytest.mark.full


@pytest.mark.parametrize("sent", [b"", b"abc", bytes(10)])
async def test_a_body_that_takes_too_long_is_answered_with_408(sent: bytes) -> None:
    calls = Calls()
    async with (
        serving(calls, http2=True, read_timeout_seconds=TIMEOUT) as port,
        http2(port) as client,
    ):
        stream = client.ask("/unread", end=False)
        async with trickling(client, frame(DATA, 0, stream, sent)):
            got = await client.response(stream)
        assert (got.status, got.told["status"], got.reset) == (408, "DEADLINE_EXCEEDED", None)
        await until(lambda: calls.gone == ["/unread"])
        assert (await client.response(client.ask())).status == 200


async def test_who_is_fast_enough_may_go_on() -> None:
    async with (
        serving(Calls(), http2=True, read_timeout_seconds=TIMEOUT) as port,
        http2(port) as client,
    ):
        stream = client.ask(end=False)
        for _ in range(20):
            client.data(stream, b"x" * 200)
            await asyncio.sleep(TIMEOUT / 8)
        client.data(stream, end=True)
        assert (await client.response(stream)).is_complete


async def test_a_stream_of_requests_may_pause() -> None:
    async with (
        serving(Calls(), http2=True, read_timeout_seconds=TIMEOUT) as port,
        http2(port) as client,
    ):
        stream = client.ask("/pausing", end=False)
        client.data(stream, b"one")
        await asyncio.sleep(3 * TIMEOUT)
        client.data(stream, b"two", end=True)
        assert (await client.response(stream)).body == b"onetwo"


async def test_an_application_may_take_its_time() -> None:
    calls = Calls()
    async with (
        serving(
            calls, http2=True, read_timeout_seconds=TIMEOUT, http_keepalive_seconds=TIMEOUT
        ) as port,
        http2(port) as client,
    ):
        stream = client.ask("/wait")
        await asyncio.sleep(3 * TIMEOUT)
        calls.release.set()
        assert (await client.response(stream)).body == b"/wait"


@pytest.mark.parametrize("window", [0, 1])
async def test_a_client_that_does_not_take_its_answer_is_given_up(window: int) -> None:
    calls = Calls()
    settings = setting(4, window)
    async with (
        serving(calls, http2=True, read_timeout_seconds=TIMEOUT) as port,
        http2(port, settings=settings) as client,
    ):
        stream = client.ask("/large")
        await client.ping()
        async with trickling(client, frame(8, 0, stream, (1).to_bytes(4, "big"))):
            assert (await client.response(stream)).reset == CANCEL
        assert (await client.response(client.ask("/raise"))).status == 500


UNFINISHED = {
    "headers": frame(HEADERS, 0, 1, b"\x83\x84"),
    "a frame": frame(DATA, 0, 1, b"abc")[:-1],
    "the head of a frame": b"\0\0",
}


@pytest.mark.parametrize("what", UNFINISHED)
async def test_what_is_not_finished_ends_the_connection(what: str) -> None:
    async with (
        serving(Calls(), http2=True, read_timeout_seconds=TIMEOUT) as port,
        http2(port) as client,
    ):
        await client.ping()
        client.send(UNFINISHED[what])
        assert await client.fault() == ENHANCE_YOUR_CALM


async def test_settings_are_waited_for_so_long() -> None:
    async with (
        serving(Calls(), http2=True, read_timeout_seconds=TIMEOUT) as port,
        connected(port) as client,
    ):
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        received = await client.rest()
        assert frame(GOAWAY, 0, 0, bytes(7) + b"\x04no settings") in received


async def test_an_idle_connection_ends_in_two_steps() -> None:
    async with (
        serving(Calls(), http2=True, http_keepalive_seconds=TIMEOUT) as port,
        http2(port) as client,
    ):
        await client.response(client.ask("/early"))
        first = await client.until(GOAWAY)
        assert (first.payload[:4], first.code) == (b"\x7f\xff\xff\xff", NO_ERROR)
        late = client.ask("/early")  # on its way when the client is told
        last = await client.until(PING)
        client.send(frame(PING, 1, 0, last.payload))
        assert (await client.response(late)).status == 413
        assert await client.fault() == NO_ERROR
        assert client.frames(GOAWAY)[-1].payload[:4] == late.to_bytes(4, "big")


async def test_an_old_connection_ends_when_its_calls_have() -> None:
    calls = Calls()
    async with (
        serving(calls, http2=True, max_connection_age_seconds=TIMEOUT) as port,
        http2(port) as client,
    ):
        stream = client.ask("/wait")
        await client.until(GOAWAY)
        last = await client.until(PING)
        client.send(frame(PING, 1, 0, last.payload))
        assert (await client.until(GOAWAY)).payload[:4] == stream.to_bytes(4, "big")
        ignored = client.ask("/wait")
        await client.ping()
        assert calls.begun == ["/wait"]
        calls.release.set()
        assert (await client.response(stream)).body == b"/wait"
        assert await client.fault() == NO_ERROR
        assert ignored not in client.answers


async def test_pings_do_not_keep_a_connection_that_is_idle() -> None:
    async with (
        serving(Calls(), http2=True, http_keepalive_seconds=TIMEOUT) as port,
        http2(port) as client,
        trickling(client, frame(PING, 0, 0, bytes(8))),
    ):
        assert await client.fault() == NO_ERROR


async def test_a_client_that_reads_nothing_is_sent_away() -> None:
    calls = Calls()
    async with (
        serving(calls, http2=True, read_timeout_seconds=TIMEOUT) as port,
        connected(port, limit=1024) as client,
    ):
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, setting(4, 2**30)))
        client.send(frame(8, 0, 0, (2**30).to_bytes(4, "big")))
        for index in range(8):
            head = b"\x83\x86\x04\x06/large\x01\x01a"
            client.send(frame(HEADERS, END_HEADERS | 1, 2 * index + 1, head))
        await until(lambda: len(calls.begun) == 8)
        connections = descriptors()
        await until(lambda: descriptors() < connections)

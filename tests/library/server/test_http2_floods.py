"""What a client of HTTP/2 may cost: floods are ended, whatever they are made of."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from applications import Calls
from http2_wire import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW,
    frame,
    http2,
    number,
    setting,
)
from test_http_memory import GROWTH_BYTES, memory
from wire import connected, serving, until

END = END_HEADERS | END_STREAM
REQUEST = b"\x83\x86\x04\x06/early\x01\x01a"  # POST /early by http of a
WAITING = b"\x83\x86\x04\x05/wait\x01\x01a"
LARGE = b"\x83\x86\x04\x06/large\x01\x01a"


def rapid_reset(index: int) -> bytes:
    stream = 2 * index + 3
    return frame(HEADERS, END, stream, WAITING) + frame(RST_STREAM, 0, stream, number(8))


FLOODS: dict[str, Callable[[int], bytes]] = {
    "requests that are given up at once": rapid_reset,
    "requests that are malformed": lambda index: frame(HEADERS, END, 2 * index + 3, b"\x83"),
    "pings": lambda _: frame(PING, 0, 0, bytes(8)),
    "answers to pings": lambda _: frame(PING, 1, 0, bytes(8)),
    "settings": lambda _: frame(SETTINGS, 0, 0, setting(4, 1)),
    "acknowledgements": lambda _: frame(SETTINGS, 1),
    "priorities": lambda index: frame(PRIORITY, 0, 2 * index + 3, bytes(5)),
    "windows": lambda _: frame(WINDOW, 0, 0, number(1)),
    "windows of a stream": lambda _: frame(WINDOW, 0, 1, number(1)),
    "empty data": lambda _: frame(DATA, 0, 1),
    "padding": lambda _: frame(DATA, 0x8, 1, b"\x04" + bytes(4)),
    "unknown frames": lambda _: frame(0x77, 0, 0, b"what"),
    "GOAWAY": lambda _: frame(GOAWAY, 0, 0, bytes(8)),
    "resets of what has ended": lambda _: frame(RST_STREAM, 0, 1, number(8)),
    "faults of a stream": lambda _: frame(WINDOW, 0, 1, bytes(4)),
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_is_ended_and_others_are_served(
    flood: str, caplog: pytest.LogCaptureFixture
) -> None:
    calls = Calls()
    caplog.set_level(logging.WARNING, "polyrpc.server")
    async with serving(calls, http2=True) as port, http2(port) as client, http2(port) as other:
        client.send(frame(HEADERS, END_HEADERS, 1, WAITING))
        await until(lambda: calls.begun)
        fault = asyncio.ensure_future(client.fault())
        for index in range(60_000):
            client.send(FLOODS[flood](index))
            if not index % 1000:
                await asyncio.sleep(0)
                assert (await other.response(other.ask("/early"))).status == 413
            if fault.done():
                break
        assert await fault == ENHANCE_YOUR_CALM
        assert (await other.response(other.ask("/early"))).status == 413
    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [line.partition(" of ")[0] for line in lines] == ["closed the connection"]


async def test_continuations_without_end_are_ended() -> None:
    for part in (b"", b"\0\1a\1b" * 3_000):
        async with serving(Calls(), http2=True) as port, http2(port) as client:
            client.send(frame(HEADERS, END_STREAM, 1, REQUEST))
            for _ in range(1_000):
                client.send(frame(CONTINUATION, 0, 1, part))
            assert await client.fault() == ENHANCE_YOUR_CALM


async def test_a_bomb_of_headers_is_ended() -> None:
    async with serving(Calls(), http2=True) as port, http2(port) as client:
        entry = b"\x40\x01x\x7f\xa1\x16" + b"y" * 3_000  # 3000 bytes, put into the table
        block = REQUEST + entry + b"\xbe" * 10_000  # and asked for 10,000 times
        client.send(frame(HEADERS, END, 1, block))
        assert await client.fault() == ENHANCE_YOUR_CALM


async def test_resets_of_a_client_that_takes_its_answers_are_no_flood() -> None:
    calls = Calls()
    async with serving(calls, http2=True) as port, http2(port) as client:
        for _ in range(600):
            given_up = client.ask("/wait")
            client.send(frame(RST_STREAM, 0, given_up, number(8)))
            assert (await client.response(client.ask("/early"))).status == 413
        assert not client.frames(GOAWAY)


async def test_a_client_that_takes_much_may_open_its_windows_bit_by_bit() -> None:
    settings = setting(4, 4096)
    async with serving(Calls(), http2=True) as port, http2(port, settings=settings) as client:
        for _ in range(4):
            stream = client.ask("/large")
            while not client.answers.get(stream) or not client.answers[stream].is_complete:
                one = await client.frame()
                if one.kind == DATA and one.payload:
                    client.give(0, len(one.payload))
                    client.give(stream, len(one.payload))
                    client.send(frame(PING, 0, 0, bytes(8)))
        assert not client.frames(GOAWAY)


async def test_handlers_that_go_on_after_a_reset_are_counted() -> None:
    calls = Calls()
    async with serving(calls, http2=True) as port, http2(port) as client:
        for _ in range(190):
            stream = client.ask("/deaf")
            client.send(frame(RST_STREAM, 0, stream, number(8)))
        streams = [client.ask("/deaf") for _ in range(15)]
        await client.ping()
        await until(lambda: len(calls.begun) == 200)
        assert len(client.frames(RST_STREAM)) == len(streams) - 10
        calls.release.set()


MEMORY = {
    "requests that are given up at once": [rapid_reset(index) for index in range(20_000)],
    "requests": [frame(HEADERS, END, 2 * index + 1, REQUEST) for index in range(20_000)],
    "requests for much": [frame(HEADERS, END, 2 * index + 1, LARGE) for index in range(20_000)],
    "pings": [frame(PING, 0, 0, bytes(8))] * 100_000,
    "settings": [frame(SETTINGS, 0, 0, setting(4, 1))] * 100_000,
    "a body that is not read": [
        frame(HEADERS, END_HEADERS, 1, WAITING.replace(b"wait", b"deaf")),
        *[frame(DATA, 0, 1, bytes(16_384))] * 1_000,
    ],
    "a body of single bytes that is not read": [
        frame(HEADERS, END_HEADERS, 1, WAITING.replace(b"wait", b"deaf")),
        *[frame(DATA, 0, 1, b"a")] * 200_000,
    ],
    "new names of headers": [
        frame(HEADERS, END, 2 * index + 1, REQUEST + b"\x40\x08%08d\x01a" % index)
        for index in range(20_000)
    ],
    "half a frame": [frame(HEADERS, END_HEADERS, 1, WAITING), b"\0\x3f\0\0\0\0\0\0\1", bytes(999)],
}


@pytest.mark.full
@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="only Linux tells the memory of a process"
)
@pytest.mark.asyncio(loop_factories=["asyncio"])  # Of the client: the server has its own.
@pytest.mark.parametrize("reads", [True, False], ids=["reads", "is deaf"])
@pytest.mark.parametrize("what", MEMORY)
async def test_memory_stays_as_it_is(
    what: str, reads: bool, http2_process: tuple[int, int]
) -> None:
    pid, port = http2_process

    async def flood() -> None:
        async with connected(port, limit=65_536) as client:
            reading = asyncio.ensure_future(client.rest()) if reads else None
            settings = frame(SETTINGS, 0, 0, setting(4, 2**31 - 1))
            client.send(PREFACE + settings + frame(WINDOW, 0, 0, number(2**30)))
            data = b"".join(MEMORY[what])
            for start in range(0, len(data), 65_536):
                client.send(data[start : start + 65_536])
                try:
                    await asyncio.wait_for(client.writer.drain(), 1)
                except (TimeoutError, ConnectionError):
                    break
            if reading is not None:
                reading.cancel()

    await flood()
    before = memory(pid)
    for _ in range(5):
        await flood()
    assert memory(pid) - before < GROWTH_BYTES
    async with http2(port) as client:
        assert (await client.response(client.ask("/early"))).status == 413


@pytest.fixture
async def http2_process() -> AsyncIterator[tuple[int, int]]:
    """A server of its own: its process id and its port."""
    served = await asyncio.create_subprocess_exec(
        *(sys.executable, Path(__file__).with_name("served.py"), "http2"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert served.stdout is not None
    try:
        yield served.pid, int(await served.stdout.readline())
    finally:
        served.kill()
        await served.communicate()

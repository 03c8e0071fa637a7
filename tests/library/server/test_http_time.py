"""How long a client may take, in every phase in which it is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from applications import Calls
from wire import TIMEOUT, Client, chunked, connected, descriptors, request, serving, until

pytestmark = pytest.mark.full


@asynccontextmanager
async def trickling(client: Client, data: bytes) -> AsyncIterator[None]:
    """Sends `data` again and again, a little at a time, but never for long nothing."""

    async def trickle() -> None:
        while True:
            client.send(data)
            await asyncio.sleep(TIMEOUT / 8)

    task = asyncio.ensure_future(trickle())
    try:
        yield
    finally:
        task.cancel()


SLOW = {
    "a head": (b"POST / HTTP/1.1\r\nhost: ", b"a", b"HTTP/1.1 408 "),
    "a body": (request("/echo", b"")[:-5] + b"9999\r\n\r\n", b"a", b"HTTP/1.1 408 "),
    "chunks": (chunked(), b"1\r\na\r\n", b"HTTP/1.1 408 "),
    "a chunk": (chunked() + b"ffff\r\n", b"a", b"HTTP/1.1 408 "),
    "an extension": (chunked() + b"1;", b"a", b"HTTP/1.1 408 "),
    "extensions": (chunked(), b"1;a=b\r\na\r\n", b"HTTP/1.1 408 "),
    "trailers": (chunked() + b"1\r\na\r\n0\r\n", b"a: b\r\n", b"HTTP/1.1 408 "),
    "nothing of a body": (chunked(), b"", b"HTTP/1.1 408 "),
    "nothing that is read": (chunked("/unread"), b"", b"HTTP/1.1 408 "),
    "a body that was answered": (chunked("/early"), b"1\r\na\r\n", b"HTTP/1.1 413 "),
    "blank lines": (request("/early"), b"\r\n", b"HTTP/1.1 413 "),
    "blank lines at first": (b"", b"\r\n", b""),
    "all that was sent fast": (
        request("/echo", b"")[:-5] + b"9999999\r\n\r\n" + bytes(4_000_000),
        b"a",
        b"HTTP/1.1 408 ",
    ),
}


@pytest.mark.parametrize("what", SLOW)
async def test_who_trickles_is_sent_away(what: str) -> None:
    first, more, begin = SLOW[what]
    settings = {"read_timeout_seconds": TIMEOUT, "http_keepalive_seconds": TIMEOUT}
    async with serving(Calls(), **settings) as port, connected(port) as client:
        client.send(first)
        async with trickling(client, more), asyncio.timeout(30):
            assert (await client.rest()).startswith(begin)


async def test_a_stream_may_pause_where_the_application_says_so() -> None:
    async with serving(Calls(), read_timeout_seconds=TIMEOUT) as port, connected(port) as client:
        client.send(chunked("/pausing") + b"1\r\na\r\n")
        await asyncio.sleep(3 * TIMEOUT)
        client.send(b"1\r\nb\r\n0\r\n\r\n")
        assert (await client.answer()).body == b"ab"


async def test_the_application_may_take_its_time() -> None:
    calls = Calls()
    async with serving(calls, read_timeout_seconds=TIMEOUT) as port, connected(port) as client:
        client.send(request("/wait", b"a") + request("/echo"))
        await asyncio.sleep(3 * TIMEOUT)
        calls.release.set()
        assert (await client.answer()).body == b"/wait"
        assert (await client.answer()).status == 200


async def test_who_takes_no_answer_is_sent_away() -> None:
    calls = Calls()
    async with serving(calls, read_timeout_seconds=TIMEOUT) as port:
        before = descriptors()
        async with connected(port, limit=1024) as client:
            client.send(request("/large") * 20)
            await until(lambda: calls.begun)
            # What the kernel holds of an answer cannot tell it that the connection is closed.
            await until(lambda: descriptors() <= before + 1)
    assert len(calls.begun) < 20


async def test_who_takes_an_answer_slowly_gets_all_of_it() -> None:
    async with (
        serving(Calls(), read_timeout_seconds=TIMEOUT) as port,
        connected(port, limit=1024) as client,
    ):
        client.send(request("/large", b"", "connection: close"))
        taken = 0
        while part := await client.reader.read(400_000):
            taken += len(part)
            await asyncio.sleep(TIMEOUT / 8)
    assert taken > 4_000_000

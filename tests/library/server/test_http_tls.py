"""The same over TLS, where a connection can be closed, but not half."""

from __future__ import annotations

import ssl

import pytest
import trustme
from applications import Calls
from wire import TIMEOUT, chunked, connected, descriptors, request, serving, until


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's and the client's."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


async def test_an_early_answer_can_be_read_by_who_sends_all_first(contexts: Contexts) -> None:
    server, client_context = contexts
    async with serving(Calls(), context=server) as port:
        for _ in range(5):
            async with connected(port, ssl=client_context) as client:
                client.send(request("/close", bytes(3_000_000)))
                await client.writer.drain()
                assert (await client.answer()).status == 401


async def test_who_trickles_is_sent_away(contexts: Contexts) -> None:
    server, client_context = contexts
    async with (
        serving(Calls(), context=server, read_timeout_seconds=TIMEOUT) as port,
        connected(port, ssl=client_context) as client,
    ):
        client.send(chunked() + b"1\r\na\r\n")
        assert (await client.answer()).status == 408
        assert await client.rest() == b""


@pytest.mark.parametrize("behind", [0, 1, 2_000])
async def test_a_call_ends_when_its_client_leaves(contexts: Contexts, behind: int) -> None:
    server, client_context = contexts
    calls = Calls()
    async with serving(calls, context=server) as port:
        before = descriptors()
        async with connected(port, ssl=client_context) as client:
            client.send(request("/wait") + request("/echo") * behind)
            await until(lambda: calls.begun)
            await client.writer.drain()
            client.writer.transport.abort()
            await until(lambda: calls.gone == ["/wait"])
        await until(lambda: descriptors() <= before)


async def test_who_takes_no_answer_is_sent_away(contexts: Contexts) -> None:
    server, client_context = contexts
    calls = Calls()
    async with serving(calls, context=server, read_timeout_seconds=TIMEOUT) as port:
        before = descriptors()
        async with connected(port, ssl=client_context, limit=1024) as client:
            client.send(request("/large") * 20)
            await until(lambda: calls.begun)
            await until(lambda: descriptors() <= before + 1)
    assert len(calls.begun) < 20

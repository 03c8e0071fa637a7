"""Clients that leave: what they asked for is cancelled, and nothing of them stays."""

from __future__ import annotations

import pytest
from applications import Calls
from wire import Client, chunked, connected, descriptors, request, serving, until

# No more than the kernel takes: a close that is stuck behind the rest does not reach the server.
BEHIND = {
    "nothing": b"",
    "a request": request("/echo"),
    "half a head": b"GET / HTTP/1.1\r\nho",
    "half a body": request("/echo", b"abc")[:-1],
    "a bad request": b"garbage\r\n\r\n",
    "many requests": request("/echo") * 2_000,
    "a large body": request("/echo", bytes(120_000)),
}
WAYS = ["closes", "resets", "closes its half"]
# Each way, and each that is behind; all together in `nox -s matrix`.
LEAVING = [
    pytest.param(
        way, behind, marks=[] if way == "closes" or not BEHIND[behind] else pytest.mark.full
    )
    for way in WAYS
    for behind in BEHIND
]


def leave(client: Client, way: str) -> None:
    match way:
        case "closes":
            client.writer.transport.abort()
        case "resets":
            client.reset()
        case _:
            client.writer.write_eof()


@pytest.mark.parametrize(("way", "behind"), LEAVING)
async def test_a_call_ends_when_its_client_leaves(behind: str, way: str) -> None:
    calls = Calls()
    async with serving(calls) as port:
        before = descriptors()
        async with connected(port) as client:
            client.send(request("/wait") + BEHIND[behind])
            await until(lambda: calls.begun)
            leave(client, way)
            await until(lambda: calls.gone == ["/wait"])
        await until(lambda: descriptors() <= before)


@pytest.mark.parametrize("sent", [request("/unread", bytes(120_000)), chunked("/unread")])
@pytest.mark.parametrize("way", WAYS)
async def test_also_when_its_body_was_not_read(sent: bytes, way: str) -> None:
    calls = Calls()
    async with serving(calls) as port, connected(port) as client:
        client.send(sent)
        await until(lambda: calls.begun)
        leave(client, way)
        await until(lambda: calls.gone == ["/unread"])


@pytest.mark.parametrize("way", WAYS)
async def test_nothing_stays_of_who_leaves_with_an_answer_unread(way: str) -> None:
    calls = Calls()
    async with serving(calls) as port:
        before = descriptors()
        async with connected(port, limit=1024) as client:
            client.send(request("/large") * 10)
            await until(lambda: calls.begun)
            leave(client, way)
        await until(lambda: descriptors() <= before)

"""Responses over HTTP/2: how they are framed, and how fast they are sent and requests are taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from applications import Calls, answer, body_of
from http2_wire import (
    CANCEL,
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    INTERNAL_ERROR,
    NO_ERROR,
    RST_STREAM,
    SETTINGS,
    WINDOW,
    Frame,
    Http2Client,
    frame,
    http2,
    number,
    setting,
)
from wire import serving

STREAM_WINDOW, CONNECTION_WINDOW = 256 * 1024, 1024 * 1024


def saying(*messages: dict[str, Any]) -> Any:
    """An application that says just this, whatever it is asked."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        for message in messages:
            await send({**message, "type": f"http.response.{message['type']}"})

    return app


async def test_trailers_end_a_response() -> None:
    app = saying(
        {"type": "start", "status": 200, "headers": [(b"trailer", b"x")], "trailers": True},
        {"type": "body", "body": b"one", "more_body": True},
        {"type": "body", "body": b"two"},
        {"type": "trailers", "headers": [(b"X-Sum", b"3")], "more_trailers": True},
        {"type": "trailers", "headers": [(b"x-more", b"4")]},
    )
    async with serving(app, http2=True) as port, http2(port) as client:
        got = await client.response(client.ask())
    assert (got.body, got.trailers) == (b"onetwo", {"x-sum": "3", "x-more": "4"})
    assert not any(one.flags & 1 for one in client.frames(DATA))


async def test_trailers_may_follow_the_headers_at_once() -> None:
    app = saying(
        {"type": "start", "status": 200, "headers": [], "trailers": True},
        {"type": "body"},
        {"type": "trailers", "headers": [(b"grpc-status", b"12")]},
    )
    async with serving(app, http2=True) as port, http2(port) as client:
        got = await client.response(client.ask())
    assert (got.status, got.trailers, got.is_complete) == (200, {"grpc-status": "12"}, True)
    assert not client.frames(DATA)


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_some_responses_have_no_body(method: str, status: int) -> None:
    app = saying(
        {"type": "start", "status": status, "headers": [(b"content-length", b"4")]},
        {"type": "body", "body": b"body"},
    )
    async with serving(app, http2=True) as port, http2(port) as client:
        got = await client.response(client.ask(method=method))
    assert (got.status, got.body, got.is_complete) == (status, b"", True)


async def test_what_only_http_1_1_has_is_left_out() -> None:
    names = (b"connection", b"Keep-Alive", b"transfer-encoding", b"upgrade", b"proxy-connection")
    app = saying(
        {"type": "start", "status": 200, "headers": [*((name, b"x") for name in names)]},
        {"type": "body"},
    )
    async with serving(app, http2=True) as port, http2(port) as client:
        got = await client.response(client.ask())
    assert sorted(got.headers) == ["date", "x-content-type-options"]


@pytest.mark.parametrize(
    "headers",
    [[(b"na me", b"v")], [(b"name", b"a\r\nb: c")], [(b"name", b"a\0")], [(b"", b"v")]],
)
async def test_a_header_that_is_none_is_the_applications_fault(headers: Any) -> None:
    app = saying({"type": "start", "status": 200, "headers": headers}, {"type": "body"})
    async with serving(app, http2=True) as port, http2(port) as client:
        got = await client.response(client.ask())
    assert (got.status, got.told["detail"]) == (500, "Internal Server Error")


async def test_a_trailer_that_is_none_ends_the_stream() -> None:
    app = saying(
        {"type": "start", "status": 200, "headers": [], "trailers": True},
        {"type": "body", "body": b"one"},
        {"type": "trailers", "headers": [(b"name", b"a\r\nb: c")]},
    )
    async with serving(app, http2=True) as port, http2(port) as client:
        got = await client.response(client.ask())
    assert (got.body, got.reset, got.is_complete) == (b"one", INTERNAL_ERROR, False)


@pytest.mark.parametrize("path", ["/raise", "/exit", "/cut"])
async def test_an_application_that_fails_ends_its_stream_alone(path: str) -> None:
    async with serving(Calls(), http2=True) as port, http2(port) as client:
        got = await client.response(client.ask(path))
        if path != "/cut":
            assert (got.status, got.told["status"]) == (500, "UNKNOWN")
        else:
            assert (got.body, got.reset, got.is_complete) == (b"one", INTERNAL_ERROR, False)
        assert (await client.response(client.ask())).status == 200


@pytest.mark.parametrize("body", [b"four+", b"for"])
async def test_a_response_is_as_long_as_it_says(body: bytes) -> None:
    app = saying(
        {"type": "start", "status": 200, "headers": [(b"content-length", b"4")]},
        {"type": "body", "body": body},
    )
    async with serving(app, http2=True) as port, http2(port) as client:
        got = await client.response(client.ask())
    assert (got.is_complete, got.reset) == (False, INTERNAL_ERROR)


async def test_an_answer_before_the_end_of_the_request_stops_the_client() -> None:
    async with serving(Calls(), http2=True) as port, http2(port) as client:
        stream = client.ask("/early", end=False)
        got = await client.response(stream)
        assert (got.status, got.body, got.is_complete) == (413, b"early", True)
        assert (await client.until(RST_STREAM, stream)).code == NO_ERROR


async def test_a_client_that_has_little_left_to_send_is_not_stopped() -> None:
    async with serving(Calls(), http2=True) as port, http2(port) as client:
        for trailers in (False, True):
            stream = client.ask("/early", end=False)
            assert (await client.response(stream)).is_complete
            client.data(stream, b"rest", end=not trailers)
            if trailers:
                block = client.encoder.encode([("x", "y")])
                client.send(frame(HEADERS, 0x5, stream, block))
        stream = client.ask("/early", end=False)
        await client.response(stream)
        for _ in range(5):
            client.data(stream, bytes(16_384))
        assert (await client.until(RST_STREAM)).stream == stream
        assert len(client.frames(RST_STREAM)) == 1


async def test_all_that_is_ready_is_written_at_once() -> None:
    async with serving(Calls(), http2=True) as port, http2(port) as client:
        await client.ping()
        sent: list[bytes] = []
        send, client.send = client.send, sent.append  # type: ignore[method-assign] # for this once
        streams = [client.ask("/early") for _ in range(20)]
        send(b"".join(sent))
        received = await client.reader.read(65_536)
    # One read has them all, each with its headers, its body and its end.
    assert received.count(b"early") == len(streams)


async def test_a_response_waits_for_the_window_of_its_stream() -> None:
    settings = setting(4, 1000)
    async with serving(Calls(), http2=True) as port, http2(port, settings=settings) as client:
        stream = client.ask("/large")
        await client.until(DATA)
        await client.ping()
        assert len(client.answers[stream].body) == 1000
        client.give(stream, 1)
        await client.ping()
        assert len(client.answers[stream].body) == 1001
        client.send(frame(SETTINGS, 0, 0, setting(4, 0)))  # Now it has less than nothing.
        client.give(stream, 999)
        await client.ping()
        assert len(client.answers[stream].body) == 1001
        client.give(0, 4_000_000)
        client.give(stream, 4_000_000)
        got = await client.response(stream)
        assert (len(got.body), got.is_complete) == (4_000_000, True)


async def test_a_response_waits_for_the_window_of_the_connection_and_leaves_some_to_others() -> (
    None
):
    settings = setting(4, 2**30)
    async with serving(Calls(), http2=True) as port, http2(port, settings=settings) as client:
        streams = [client.ask("/large") for _ in range(3)]
        await client.ping()
        assert sum(len(client.answers[one].body) for one in streams if one in client.answers) == (
            65_535
        )
        for _ in range(190):
            client.give(0, 64 * 1024)
            await client.ping()
        for stream in streams:
            assert (await client.response(stream)).is_complete
        assert [one.number for one in client.frames(RST_STREAM)] == []


@pytest.mark.parametrize("sizes", [(100_000,) * 3, (600, 600, 10), (1000, 1, 999), (16_384,) * 3])
@pytest.mark.parametrize("by_tasks", [True, False], ids=["several tasks", "one task"])
async def test_parts_come_one_after_the_other(sizes: tuple[int, ...], by_tasks: bool) -> None:
    parts = [letter * size for letter, size in zip((b"a", b"b", b"c"), sizes, strict=True)]

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        events = [{"type": "http.response.body", "body": one, "more_body": True} for one in parts]
        if by_tasks:
            await asyncio.gather(*map(send, events))
        else:
            for event in events:
                await send(event)
        await send({"type": "http.response.body"})

    body = b"".join(parts)
    settings = setting(4, 1000)
    async with serving(app, http2=True) as port, http2(port, settings=settings) as client:
        stream = client.ask()
        await client.until(DATA)
        await client.ping()
        assert client.answers[stream].body == body[:1000]
        client.give(0, 300_000)
        client.give(stream, 300_000)
        assert (await client.response(stream)).body == body


async def test_nothing_comes_behind_the_end() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        event = {"type": "http.response.body", "body": bytes(100_000), "more_body": True}
        other = asyncio.ensure_future(send(event))
        await send(event)
        await send({"type": "http.response.body"})
        await other

    async with serving(app, http2=True) as port, http2(port) as client:
        stream = client.ask()
        await client.ping()
        client.give(0, 300_000)
        client.give(stream, 300_000)
        await client.response(stream)
        await client.ping()
        assert [one.flags for one in client.frames(DATA, stream)][-1] == END_STREAM
        assert len(client.answers[stream].body) == 100_000


async def test_frames_are_as_large_as_the_client_takes_them() -> None:
    settings = setting(5, 40_000) + setting(4, 2**30)
    async with serving(Calls(), http2=True) as port, http2(port, settings=settings) as client:
        client.give(0, 10_000_000)
        await client.response(client.ask("/large"))
    sizes = [len(one.payload) for one in client.frames(DATA)]
    assert 16_384 < max(sizes) <= 40_000


async def test_a_client_that_makes_its_table_smaller_is_told_that_none_is_used() -> None:
    async with (
        serving(Calls(), http2=True) as port,
        http2(port, settings=setting(1, 0)) as client,
    ):
        client.decoder.header_table_size = 0
        assert (await client.response(client.ask("/early"))).status == 413
        first = client.frames(HEADERS)[0].payload
        assert first[:1] == b"\x20"


class Slow:
    """An application that reads when it is told to."""

    def __init__(self) -> None:
        self.steps = asyncio.Semaphore(0)
        self.read = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while True:
            await self.steps.acquire()
            event = await receive()
            self.read += len(event.get("body", b""))
            if not event.get("more_body"):
                break
        await answer(send, b"%d" % self.read)


async def test_a_client_may_send_as_much_as_the_application_reads() -> None:
    slow = Slow()
    async with serving(slow, http2=True) as port, http2(port) as client:
        stream = client.ask(end=False)
        await client.ping()
        sent = STREAM_WINDOW
        for _ in range(STREAM_WINDOW // 16_384):
            client.data(stream, bytes(16_384))
        await client.ping()
        assert client.frames(WINDOW, stream) == []
        slow.steps.release()
        for _ in range(sent // 16_384):  # It reads what has arrived, however much that is.
            slow.steps.release()
        given = sum([one.number async for one in windows(client, stream, sent // 2)])
        assert sent // 2 <= given <= sent
        client.data(stream, b"more", end=True)
        for _ in range(100):
            slow.steps.release()
        assert (await client.response(stream)).body == b"%d" % (sent + 4)


async def windows(client: Http2Client, stream: int, least: int) -> AsyncIterator[Frame]:
    """What the client may send anew, until it is so much."""
    while least > 0:
        one = await client.until(WINDOW, stream)
        least -= one.number
        yield one


@pytest.mark.parametrize("which", ["stream", "connection"])
async def test_who_sends_more_is_refused(which: str) -> None:
    calls = Calls()
    async with serving(calls, http2=True) as port, http2(port) as client:
        count = 1 if which == "stream" else CONNECTION_WINDOW // STREAM_WINDOW
        streams = [client.ask("/deaf", end=False) for _ in range(count)]
        for stream in streams:
            for _ in range(STREAM_WINDOW // 16_384):
                client.data(stream, bytes(16_384))
        await client.ping()
        assert not client.frames(RST_STREAM)
        if which == "stream":
            client.data(streams[0], b"a")
            assert (await client.response(streams[0])).reset == 3
            await client.ping()
            assert not client.frames(GOAWAY)
        else:
            client.data(client.ask("/deaf", end=False), b"a")
            assert await client.fault() == 3
        calls.release.set()


async def test_a_body_that_is_given_up_is_no_longer_in_the_way_of_others() -> None:
    calls = Calls()
    async with serving(calls, http2=True) as port, http2(port) as client:
        for _ in range(12):  # three times the connection's window
            stream = client.ask("/unread", end=False)
            for _ in range(STREAM_WINDOW // 16_384):
                client.data(stream, bytes(16_384))
            client.send(frame(RST_STREAM, 0, stream, number(CANCEL)))
        got = await client.response(client.ask("/echo", body=b"x" * 10_000))
        assert got.is_complete
        assert not client.frames(GOAWAY)


async def test_both_ways_go_on_at_once() -> None:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            event = await receive()
            await send({"type": "http.response.body", "body": event["body"], "more_body": True})
            if not event["more_body"]:
                await send({"type": "http.response.body"})
                return

    async with serving(app, http2=True) as port, http2(port) as client:
        stream = client.ask(end=False)
        await client.until(HEADERS, stream)
        for part in (b"one", b"two", b"three"):
            client.data(stream, part)
            assert (await client.until(DATA, stream)).payload == part
        client.data(stream, end=True)
        assert (await client.response(stream)).is_complete


async def test_a_large_body_arrives_whole() -> None:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"%d" % len(await body_of(receive)))

    async with serving(app, http2=True) as port, http2(port) as client:
        stream = client.ask(end=False)
        room = STREAM_WINDOW
        sent = 0
        while sent < 5_000_000:
            while room < 16_384:
                room += (await client.until(WINDOW, stream)).number
            client.data(stream, bytes(16_384))
            room -= 16_384
            sent += 16_384
        client.data(stream, end=True)
        assert (await client.response(stream)).body == b"%d" % sent

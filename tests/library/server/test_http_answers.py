"""Answers: in order, none lost, each to be read by its client."""

from __future__ import annotations

import asyncio

import pytest
from applications import Calls
from wire import chunked, connected, request, serving, until

BAD = chunked("/echo") + b"not a chunk\r\n"


async def test_a_request_behind_another_is_refused_after_that_one_is_answered() -> None:
    calls = Calls()
    async with serving(calls) as port, connected(port) as client:
        client.send(request("/wait") + BAD)
        await until(lambda: calls.begun)
        client.send(request("/never"))
        calls.release.set()
        assert (await client.answer()).body == b"/wait"
        assert (await client.answer()).status == 400
        assert await client.rest() == b""
    assert calls.begun == ["/wait", "/echo"]


async def test_requests_sent_together_are_answered_in_order() -> None:
    async with serving(Calls()) as port, connected(port) as client:
        for index in range(100):
            client.send(request(f"/echo/{index}", b"a" * index))
        for index in range(100):
            told = (await client.answer()).told
            assert (told["path"], len(told["body"])) == (f"/echo/{index}", index)


@pytest.mark.parametrize("path", ["/early", "/close"])
@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_an_early_answer_can_be_read_by_who_sends_all_first(path: str, framing: str) -> None:
    body = bytes(3_000_000)
    if framing == "chunks":
        sent = chunked(path) + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    else:
        sent = request(path, body)
    async with serving(Calls()) as port:
        for _ in range(5):
            async with connected(port) as client:
                client.send(sent)
                await client.writer.drain()
                assert (await client.answer()).status in (401, 413)


async def test_a_connection_goes_on_after_an_early_answer_once_its_body_is_there() -> None:
    async with serving(Calls()) as port, connected(port) as client:
        client.send(request("/early", b"x" * 300_000) + request("/echo", b"next"))
        assert (await client.answer()).status == 413
        assert (await client.answer()).told["body"] == "next"


@pytest.mark.parametrize("sent", [BAD, b"garbage\r\n\r\n"], ids=["a bad chunk", "garbage"])
async def test_a_refusal_can_be_read_by_who_sends_on(sent: bytes) -> None:
    async with serving(Calls()) as port:
        for _ in range(5):
            async with connected(port) as client:
                client.send(sent + bytes(3_000_000))
                await client.writer.drain()
                assert (await client.answer()).status == 400


@pytest.mark.parametrize("path", ["/raise", "/exit"])
async def test_an_exception_is_answered_without_its_text(path: str) -> None:
    async with serving(Calls()) as port, connected(port) as client:
        client.send(request(path))
        answer = await client.answer()
        assert (answer.status, answer.told["status"]) == (500, "UNKNOWN")
        assert b"secret" not in answer.body


async def test_a_stream_that_fails_is_not_complete() -> None:
    async with serving(Calls()) as port, connected(port) as client:
        client.send(request("/cut"))
        received = await client.rest()
        assert received.endswith(b"3\r\none\r\n")


async def test_the_answer_to_head_has_no_body() -> None:
    async with serving(Calls()) as port, connected(port) as client:
        client.send(request("/echo", method="HEAD") + request("/early"))
        assert (await client.answer("HEAD")).status == 200
        assert (await client.answer()).body == b"early"


async def test_a_fault_in_the_body_of_a_running_call_ends_it() -> None:
    calls = Calls()
    async with serving(calls) as port, connected(port) as client:
        client.send(chunked("/unread"))
        await until(lambda: calls.begun)
        client.send(b"not a chunk\r\n")
        assert (await client.answer()).status == 400
        await until(lambda: calls.gone)


async def test_a_drain_loses_no_request_that_was_sent_together_with_others() -> None:
    calls = Calls()
    async with serving(calls, max_connection_age_seconds=0.001) as port:
        async with connected(port) as client:
            await asyncio.sleep(0.01)
            client.send(request("/echo/1") + request("/echo/2") + request("/echo/3"))
            answers = [await client.answer() for _ in range(3)]
        assert [answer.told["path"] for answer in answers] == ["/echo/1", "/echo/2", "/echo/3"]
        assert ["connection" in answer.headers for answer in answers] == [False, False, True]

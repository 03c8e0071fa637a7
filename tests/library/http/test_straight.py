"""HTTP/JSON over HTTP/2: usual calls, which the server has answered without ASGI, and others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import wire
from http2_wire import CANCEL, DATA, RST_STREAM, Answer, Http2Client, frame, http2, number
from polyrpc.framework.imports import Application, register_grpc_http_routes
from serving import EchoService, UnchangedLogging, gateway_of
from testing.v1 import testing_pb2 as pb

UNARY = "/grpc/telling/unary"
JSON = ("content-type", "application/json")
LIMIT = 100_000


class Telling(EchoService):
    """Tells the time that there is, and the metadata; or what it is sent, or so many letters."""

    def __init__(self) -> None:
        self.entered, self.cancelled = asyncio.Event(), asyncio.Event()

    async def Unary(self, request: Any, context: Any) -> Any:
        if request.text == "wait":
            self.entered.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled.set()
        remaining = context.time_remaining()
        await context.send_initial_metadata((("x-first", context.peer().partition(":")[0]),))
        context.set_trailing_metadata((("x-last", "1"),))
        metadata = sorted(f"{key}={value}" for key, value in context.invocation_metadata())
        return pb.EchoResponse(
            text=request.text or "b" * request.count or " ".join(metadata),
            index=-1 if remaining is None else round(remaining),
        )


@asynccontextmanager
async def connected(servicer: Any = None, **options: Any) -> AsyncIterator[Http2Client]:
    app = Application(logging_config=UnchangedLogging(), enable_openapi=False)
    register_grpc_http_routes(app, [gateway_of(servicer or Telling(), **options)])
    answers: Any = app
    headers = [(b"content-type", b"application/json")]
    scope = {"method": "POST", "path": UNARY, "query_string": b"", "headers": headers}
    assert answers.straight_answers().find(scope) is not None
    async with wire.serving(app, http2=True) as port, http2(port) as client:
        yield client


async def called(client: Http2Client, body: bytes, *fields: tuple[str, str]) -> Answer:
    return await client.response(client.ask(UNARY, JSON, *fields, body=body))


async def test_a_call_has_its_metadata_and_its_response_has_them() -> None:
    async with connected() as client:
        for value in ("1", "2", "2"):
            answer = await called(client, b"{}", ("x-a", value), ("accept", "*/*"))
            assert (answer.status, answer.told) == (200, {"text": f"x-a={value}", "index": -1})
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["content-length"] == str(len(answer.body))
            assert answer.headers["x-first"] == "ipv4"
            assert answer.headers["trailer-x-last"] == "1"
            assert answer.trailers == {}


@pytest.mark.parametrize(
    "name", [JSON[0], "grpc-timeout", "connect-timeout-ms", "accept", "x-bin", "origin"]
)
async def test_an_unusual_call_is_answered_likewise(name: str) -> None:
    value = {
        "content-type": "application/json;charset=utf-8",
        "grpc-timeout": "60S",
        "connect-timeout-ms": "60000",  # which is metadata here
        "accept": "application/json",
        "x-bin": "AP8",
        "origin": "https://example.com",
    }[name]
    body = b'{"text":"a"}'
    async with connected() as client:
        answer = await client.response(
            client.ask(UNARY, *[(name, value)], *([] if name == JSON[0] else [JSON]), body=body)
        )
    assert (answer.status, answer.told["text"]) == (200, "a")
    assert answer.told["index"] == (60 if name == "grpc-timeout" else -1)


async def test_a_query_asks_for_enums_as_numbers() -> None:
    async with connected() as client:
        stream = client.ask(f"{UNARY}?$alt=json;enum-encoding=int", JSON, body=b'{"text":"a"}')
        assert (await client.response(stream)).told["text"] == "a"


async def test_what_is_no_message_is_refused() -> None:
    async with connected() as client:
        for body in (b"{", b'{"text":1}', b'{"unknown":1}', b"\xff"):
            answer = await called(client, body)
            assert answer.status == 400
            assert answer.told["status"] == "INVALID_ARGUMENT"


async def test_a_body_may_come_in_pieces_and_late() -> None:
    body = json.dumps({"text": "a" * 50_000}).encode()
    async with connected() as client:
        stream = client.ask(UNARY, JSON, end=False)
        for start in range(0, len(body), 10_000):
            client.data(stream, body[start : start + 10_000])
            await client.ping()
        client.data(stream, end=True)
        assert (await client.response(stream)).told["text"] == "a" * 50_000


@pytest.mark.parametrize("whole", [True, False], ids=["at once", "in pieces"])
@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_may_not_be_too_long(whole: bool, declared: bool) -> None:
    body = json.dumps({"text": "a" * LIMIT}).encode()
    fields = [JSON, ("content-length", str(len(body)))] if declared else [JSON]
    async with connected(max_message_bytes=LIMIT) as client:
        stream = client.ask(UNARY, *fields, body=body if whole else b"", end=whole)
        if not whole:
            for start in range(0, len(body), 16_000):
                client.data(stream, body[start : start + 16_000])
                await client.ping()
        answer = await client.response(stream)
        assert answer.status == 413
        assert answer.told["detail"] == f"a message may have at most {LIMIT} bytes"
        assert (await called(client, b'{"text":"a"}')).status == 200


@pytest.mark.parametrize("window", [0, 2_000_000], ids=["in pieces", "at once"])
@pytest.mark.parametrize("size", [16_384, 16_385, 32_768, 100_000, 262_144, 262_145, 1_000_000])
async def test_a_response_is_as_long_as_it_is(size: int, window: int) -> None:
    around = len(b'{"text":"","index":-1}')
    body = json.dumps({"count": size - around}).encode()
    async with connected() as client:
        client.give(0, 2_000_000)
        stream = client.ask(UNARY, JSON, end=False)
        if window:
            client.give(stream, window)
        client.data(stream, body, end=True)
        if not window:
            await client.until(DATA, stream)
            client.give(stream, 2_000_000)
        answer = await client.response(stream)
        assert answer.told["text"] == "b" * (size - around)
        assert answer.headers["content-length"] == str(len(answer.body)) == str(size)
        assert max(len(one.payload) for one in client.frames(DATA, stream)) == 16_384


async def test_a_client_that_goes_away_ends_its_call() -> None:
    servicer = Telling()
    async with connected(servicer) as client:
        stream = client.ask(UNARY, JSON, body=b'{"text":"wait"}')
        await servicer.entered.wait()
        client.send(frame(RST_STREAM, 0, stream, number(CANCEL)))
        await servicer.cancelled.wait()
        assert (await called(client, b'{"text":"a"}')).status == 200


async def test_a_call_without_a_deadline_gets_the_default_one() -> None:
    servicer = Telling()
    async with connected(servicer, default_timeout=0.05) as client:
        answer = await called(client, b'{"text":"wait"}')
    assert (answer.status, answer.told["status"]) == (504, "DEADLINE_EXCEEDED")
    assert servicer.cancelled.is_set()

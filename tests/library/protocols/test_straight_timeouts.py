"""Calls of one connection that differ in how long they may take, which the server reads as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import wire
from framework_under_test import DenyAll
from http2_wire import Answer, Http2Client, http2
from polyrpc.framework.imports import Application, register_grpc_http_routes
from protocol_clients import envelope, envelopes
from serving import EchoService, UnchangedLogging, gateway_of
from testing.v1 import testing_pb2 as pb

PATH = "/testing.v1.Echo/Unary"
GRPC = ("content-type", "application/grpc"), ("te", "trailers")
CONNECT = (("content-type", "application/proto"),)
SLEEP = pb.EchoRequest(text="sleep").SerializeToString()
TELL = pb.EchoRequest(text="tell").SerializeToString()


class TimeService(EchoService):
    """Says how much time there is, and what it was sent besides the message."""

    async def Unary(self, request: Any, context: Any) -> Any:
        if request.text == "sleep":
            await asyncio.Event().wait()
        remaining = context.time_remaining()
        metadata = [f"{key}={value}" for key, value in context.invocation_metadata()]
        return pb.EchoResponse(
            text=" ".join(sorted(metadata)), index=-1 if remaining is None else round(remaining)
        )


@pytest.fixture
def app() -> Any:
    app = Application(logging_config=UnchangedLogging(), enable_openapi=False)
    register_grpc_http_routes(app, [gateway_of(TimeService)])
    return app


@asynccontextmanager
async def connected(app: Any) -> AsyncIterator[Http2Client]:
    async with wire.serving(app, http2=True) as port, http2(port) as client:
        yield client


async def called(client: Http2Client, *fields: tuple[str, str], data: bytes = TELL) -> Answer:
    body = envelope(data) if GRPC[0] in fields else data
    return await client.response(client.ask(PATH, *fields, body=body))


def told(answer: Answer) -> tuple[int, str]:
    """The seconds that a call had, and its metadata."""
    body = answer.body
    if answer.headers["content-type"] == "application/grpc":
        ((_, body),) = envelopes(body)
    response = pb.EchoResponse.FromString(body)
    return response.index, response.text


async def test_each_grpc_call_has_its_own(app: Any) -> None:
    async with connected(app) as client:
        for seconds in (100, 250, 300, 999, 100):
            answer = await called(client, *GRPC, ("grpc-timeout", f"{seconds}S"))
            assert told(answer) == (seconds, ""), seconds
        assert told(await called(client, *GRPC)) == (-1, "")
        answer = await called(client, *GRPC, ("grpc-timeout", "001m"), data=SLEEP)
        assert answer.trailers["grpc-status"] == "4"
        assert told(await called(client, *GRPC, ("grpc-timeout", "200S"))) == (200, "")


async def test_each_connect_call_has_its_own(app: Any) -> None:
    async with connected(app) as client:
        for seconds in (100, 250, 300):
            answer = await called(client, *CONNECT, ("connect-timeout-ms", f"{seconds}000"))
            assert told(answer) == (seconds, ""), seconds
        answer = await called(client, *CONNECT, ("connect-timeout-ms", "000001"), data=SLEEP)
        assert (answer.status, answer.told["code"]) == (504, "deadline_exceeded")


@pytest.mark.parametrize("wrong", ["10s", "-1S", "1 S"])
async def test_one_that_is_none_is_refused_between_good_ones(app: Any, wrong: str) -> None:
    async with connected(app) as client:
        for seconds in (100, 200):
            answer = await called(client, *GRPC, ("grpc-timeout", f"{seconds}S"))
            assert told(answer)[0] == seconds
            answer = await called(client, *GRPC, ("grpc-timeout", wrong.ljust(4, "0")))
            refused = answer.trailers or answer.headers
            assert answer.status == 400 or refused["grpc-status"] == "3"


async def test_another_protocols_is_metadata(app: Any) -> None:
    async with connected(app) as client:
        for value in ("100", "200", "300"):
            answer = await called(client, *GRPC, ("connect-timeout-ms", value))
            assert told(answer) == (-1, f"connect-timeout-ms={value}")


async def test_of_two_the_last_counts_as_ever(app: Any) -> None:
    async with connected(app) as client:
        for first, last in ((100, 200), (100, 300), (300, 100)):
            fields = ("grpc-timeout", f"{first}S"), ("grpc-timeout", f"{last}S")
            assert told(await called(client, *GRPC, *fields))[0] == last


async def test_nothing_else_is_taken_for_the_same(app: Any) -> None:
    async with connected(app) as client:
        for value in ("a", "b", "c", "a"):
            answer = await called(client, *GRPC, ("x-of-a-team", value), ("grpc-timeout", "200S"))
            assert told(answer) == (200, f"x-of-a-team={value}")
        for cookies in (("a=1", "b=2"), ("a=1", "b=3"), ("a=1", "b=2")):
            crumbs = [("cookie", cookie) for cookie in cookies]
            for timeout in (150, 250):
                answer = await called(client, *GRPC, *crumbs, ("grpc-timeout", f"{timeout}S"))
                assert told(answer) == (timeout, f"cookie={'; '.join(cookies)}")


async def test_the_application_may_change_between_them(app: Any) -> None:
    async with connected(app) as client:
        for seconds in (100, 200):
            answer = await called(client, *GRPC, ("grpc-timeout", f"{seconds}S"))
            assert told(answer)[0] == seconds
        app.permissions.append(DenyAll)
        for seconds in (300, 400):
            answer = await called(client, *GRPC, ("grpc-timeout", f"{seconds}S"))
            assert answer.status == 403

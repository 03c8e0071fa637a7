"""The standard interceptor: what it costs a call, and how it goes with a team's own."""

from __future__ import annotations

import io
import logging
import sys
from contextlib import nullcontext
from types import FrameType
from typing import Any, Literal

import grpc
import pytest
from greeter.settings import Settings
from greeter_service.v1 import greeter_pb2 as pb
from polyrpc.interceptors.request_id import request_id
from polyrpc.interceptors.standard import StandardInterceptor
from polyrpc.log_pipe import JsonLinesHandler
from polyrpc.rpc.caller import caller
from polyrpc.testing import Call

MOST_FUNCTIONS = 28
"""Called on the way of a call through its concerns. A concern of your own puts it up, knowingly."""

SAY_HELLO = "/greeter_service.v1.Greeter/SayHello"


class Context:
    """What both protocols hand to a layer, as far as the concerns need it."""

    code_set: Any = None
    caller: Any = None

    def invocation_metadata(self) -> Any:
        return (("user-agent", "test"),)

    def header(self, _name: bytes) -> None:
        return None

    def add_trailer(self, _key: str, _value: str) -> None:
        """What native calls return the request id by."""

    def add_header(self, _name: bytes, _value: bytes) -> None:
        """What calls over HTTP return it by."""

    def time_remaining(self) -> None:
        return None

    def code(self) -> None:
        return None

    def peer(self) -> str:
        return "ipv4:127.0.0.1:50000"


@pytest.mark.parametrize("spoken", ["grpc", "http"])
async def test_a_call_goes_through_few_functions(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    spoken: Literal["grpc", "http"],
) -> None:
    log = io.BytesIO()
    pipe = JsonLinesHandler(log)
    monkeypatch.setattr(logging.getLogger(), "handlers", [pipe])
    caplog.set_level(logging.INFO)

    async def respond(_request: Any, _context: Any) -> bytes:
        return b"response"

    run = StandardInterceptor().wrap(SAY_HELLO, spoken, respond)
    context: Any = Context()
    # The first call asks for what is looked up once, and for request ids.
    assert await run(b"request", context) == b"response"
    count = 0

    def profiler(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    counts = []
    for _ in range(3):  # The first call within a second writes its time anew.
        count = 0
        sys.setprofile(profiler)
        try:
            await run(b"request", context)
        finally:
            sys.setprofile(None)
        counts.append(count)
    assert min(counts) <= MOST_FUNCTIONS
    pipe.flush()
    assert log.getvalue().count(b"SayHello") == 4


class Late(Context):
    """What a call is handed whose time is over."""

    def time_remaining(self) -> Any:
        return 0.0


class Odd(Context):
    """A context that fails when it is asked how the call ended."""

    code_set = grpc.StatusCode.OK

    def code(self) -> Any:
        raise RuntimeError


@pytest.mark.parametrize("spoken", ["grpc", "http"])
@pytest.mark.parametrize(
    ("given", "raised", "code"),
    [
        (Context(), None, "OK"),
        (Context(), ValueError, "UNKNOWN"),
        (Late(), None, "DEADLINE_EXCEEDED"),
        (Odd(), RuntimeError, "UNKNOWN"),
    ],
)
async def test_what_is_logged_is_what_the_caller_gets(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    spoken: Literal["grpc", "http"],
    given: Any,
    raised: type[Exception] | None,
    code: str,
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [caplog.handler])
    caplog.set_level(logging.INFO)

    async def respond(_request: Any, _context: Any) -> bytes:
        if raised is not None:
            raise raised
        return b"response"

    run = StandardInterceptor().wrap(SAY_HELLO, spoken, respond)
    with nullcontext() if raised is None else pytest.raises(raised):
        await run(b"request", given)
    assert [record.__dict__["code"] for record in caplog.records] == [code]


class Ordinary(grpc.aio.ServerInterceptor):
    """One of grpc.aio's."""

    def __init__(self) -> None:
        self.seen: list[tuple[str | None, bool]] = []

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        self.seen.append((request_id(), caller() is not None))
        return await continuation(handler_call_details)


class TestAnInterceptorOfYourOwn:
    @pytest.fixture
    def ordinary(self) -> Ordinary:
        return Ordinary()

    @pytest.fixture
    def service_arguments(self, ordinary: Ordinary) -> dict[str, Any]:
        return {"interceptors": [ordinary]}

    @pytest.fixture
    def settings(self) -> Settings:
        return Settings.model_validate({"http_port": 0, "grpc_port": 0, "auth_tokens": "secret"})

    async def test_knows_the_request_id_and_the_caller(
        self, ordinary: Ordinary, call: Call
    ) -> None:
        request = pb.SayHelloRequest(name="Ada")
        outcome = await call("SayHello", request, x_request_id="7", authorization="Bearer secret")
        assert outcome.status == "OK"
        assert ordinary.seen == [("7", True)]

    async def test_sees_nothing_of_strangers(self, ordinary: Ordinary, call: Call) -> None:
        outcome = await call("SayHello", pb.SayHelloRequest(name="Ada"))
        assert outcome.status == "UNAUTHENTICATED"
        assert ordinary.seen == []

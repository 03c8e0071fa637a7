"""The cost of a call, in counts that repeat exactly where times do not.

A count is of the Python and C functions that are called, which the interpreter reports to
`sys.setprofile`. The budgets are what CPython 3.11 counted when they were last set, and `TOLERANCE`
on top for other versions of Python and of the libraries. When a change makes a path cheaper, its
budget goes down with it; a budget that has to go up wants a reason.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import pytest
from polyrpc.framework.imports import Application, register_grpc_http_routes
from polyrpc.native.graceful_stop import GracefulStop
from polyrpc.native.handlers import NativeHandlers
from polyrpc.rpc.interception import Interception
from polyrpc.rpc.methods import method_table
from protocol_clients import envelope
from serving import EchoService, UnchangedLogging, gateway_of
from testing.v1 import testing_pb2 as pb

TOLERANCE = 0.10
HTTP_CALLS = 36
CALLS_BY_PROTOCOL = {
    b"application/grpc": 72,
    b"application/grpc-web": 74,
    b"application/proto": 38,
    b"application/json": 44,
}
"""Those of the protocols at an RPC's own path, by their content types; `application/json` is
Connect there."""

NATIVE_CALLS = 13
MOST_BLOCKS_KEPT = 20
"""Memory blocks that may be left after `REQUESTS` more requests: caches of the interpreter's."""

REQUESTS = 200

Call = Callable[[], Awaitable[Any]]


def application(service: type[EchoService]) -> Any:
    app = Application(logging_config=UnchangedLogging(), enable_openapi=False)
    register_grpc_http_routes(app, [gateway_of(service, http_methods=["POST"])])
    return app


def http_call(app: Any, text: bytes = b'{"text":"World"}', **different: Any) -> Call:
    """One request, from a server that has all of it and takes all of the answer."""

    async def call() -> list[Any]:
        events = [{"type": "http.request", "body": text, "more_body": False}]
        sent: list[Any] = []

        async def receive() -> Any:
            return events.pop() if events else await asyncio.Event().wait()

        async def send(event: Any) -> None:
            sent.append(event)

        await app(scope_of(len(text)) | different, receive, send)
        return sent

    return call


def scope_of(content_length: int) -> dict[str, Any]:
    path = "/grpc/echoservice/unary"
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"127.0.0.1:8000"),
            (b"user-agent", b"test"),
            (b"accept", b"*/*"),
            (b"content-type", b"application/json"),
            (b"content-length", str(content_length).encode()),
        ],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }


def native_call() -> Call:
    """One call, from where `grpc.aio` runs the handler to the bytes of its answer."""
    methods = method_table([EchoService])
    handlers = NativeHandlers(methods, Interception([]), {}, GracefulStop())
    handler: Any = handlers.registered["/testing.v1.Echo/Unary"]
    wire = pb.EchoRequest(text="World").SerializeToString()
    context = None  # Nobody asks it for anything.

    async def call() -> Any:
        # It takes and gives bytes: it has no serializers that `grpc.aio` would call.
        return await handler.unary_unary(wire, context)

    return call


@pytest.fixture(params=["http", "native"])
def call(request: pytest.FixtureRequest) -> Call:
    if request.param == "native":
        return native_call()
    return http_call(application(EchoService))


async def count_calls(call: Call) -> int:
    """Counts the functions that one call calls, when it has been called before."""
    for _ in range(10):
        await call()
    count = 0

    def profiler(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    # A collection in the midst of it would call what other tests have left behind.
    gc.disable()
    try:
        sys.setprofile(profiler)
        try:
            await call()
        finally:
            sys.setprofile(None)
    finally:
        gc.enable()
    return count


async def test_an_http_call_stays_within_its_budget_of_function_calls() -> None:
    call = http_call(application(EchoService))
    start, body = await call()
    assert (start["status"], body["body"]) == (200, b'{"text":"World","index":0}')
    assert await count_calls(call) <= HTTP_CALLS * (1 + TOLERANCE)


@pytest.mark.parametrize("content_type", CALLS_BY_PROTOCOL, ids=bytes.decode)
async def test_a_call_by_any_protocol_stays_within_its_budget(content_type: bytes) -> None:
    is_json = content_type == b"application/json"
    body = b'{"text":"World"}' if is_json else pb.EchoRequest(text="World").SerializeToString()
    call = http_call(
        application(EchoService),
        envelope(body) if b"grpc" in content_type else body,
        path="/testing.v1.Echo/Unary",
        http_version="2",
        extensions={"http.response.trailers": {}},
        headers=[(b"host", b"a"), (b"content-type", content_type), (b"user-agent", b"test")],
    )
    start, body, *_ = await call()
    assert start["status"] == 200
    assert b"World" in body["body"]
    assert await count_calls(call) <= CALLS_BY_PROTOCOL[content_type] * (1 + TOLERANCE)


async def test_a_native_call_stays_within_its_budget_of_function_calls() -> None:
    call = native_call()
    assert pb.EchoResponse.FromString(await call()).text == "World"
    assert await count_calls(call) <= NATIVE_CALLS * (1 + TOLERANCE)


async def test_the_count_repeats(call: Call) -> None:
    assert len({await count_calls(call) for _ in range(3)}) == 1


async def test_the_count_grows_with_the_work() -> None:
    class Busy(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            for _ in range(50):
                len(request.text)
            return await super().Unary(request, context)

    Busy.__name__ = EchoService.__name__
    # One after the other: the application that was made last may have it shorter than others.
    idle = await count_calls(http_call(application(EchoService)))
    assert await count_calls(http_call(application(Busy))) >= idle + 50


async def test_a_call_leaves_no_memory_behind(call: Call) -> None:
    async def blocks_after_many() -> int:
        for _ in range(REQUESTS):
            await call()
            # The event loop drops what was cancelled on its next turn.
            await asyncio.sleep(0)
        gc.collect()
        return sys.getallocatedblocks()

    before = await blocks_after_many()
    assert await blocks_after_many() - before <= MOST_BLOCKS_KEPT

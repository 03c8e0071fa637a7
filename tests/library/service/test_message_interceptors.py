"""`Interceptor`: one coroutine around RPCs of every kind, however the servicer is written."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from greeter.app import GreeterService, create_app
from greeter.settings import Settings
from greeter_service.v1 import greeter_pb2 as pb
from greeter_service.v1 import greeter_pb2_grpc as pb_grpc
from polyrpc import CallError, Health, Interceptor, MethodInfo
from polyrpc.process.server import Server
from polyrpc.testing import PROTOCOLS, Outcome, channel, client

KINDS = {
    "SayHello": [pb.SayHelloRequest(name="Ada")],
    "WatchGreetings": [pb.WatchGreetingsRequest(name="Ada", count=2)],
    "CollectNames": [pb.CollectNamesRequest(name=name) for name in ("Ada", "Grace")],
    "Chat": [pb.ChatRequest(name=name) for name in ("Ada", "Grace")],
}


class ReadsAndWrites(GreeterService):
    """The same as its parent, by `context.read()` and `context.write()`."""

    async def WatchGreetings(self, request: Any, context: Any) -> None:  # type: ignore[override] # as grpc.aio allows
        for number in range(1, request.count + 1):
            await context.write(
                pb.WatchGreetingsResponse(message=f"Hello, {request.name}! ({number})")
            )

    async def CollectNames(self, request_iterator: Any, context: Any) -> Any:
        names = []
        while (request := await context.read()) is not grpc.aio.EOF:
            names.append(request.name)
        return pb.CollectNamesResponse(message=f"Hello, {', '.join(names)}!")

    async def Chat(self, request_iterator: Any, context: Any) -> None:  # type: ignore[override] # as grpc.aio allows
        while (request := await context.read()) is not grpc.aio.EOF:
            await context.write(pb.ChatResponse(message=f"Hello, {request.name}!"))


class Threaded(GreeterService):
    """The same as its parent, in threads."""

    def SayHello(self, request: Any, context: Any) -> Any:  # type: ignore[override] # as grpc.aio allows
        if request.name == "error":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Invalid request")
        return pb.SayHelloResponse(message=f"Hello, {request.name}!")

    def WatchGreetings(self, request: Any, context: Any) -> Iterator[Any]:  # type: ignore[override] # as grpc.aio allows
        for number in range(1, request.count + 1):
            yield pb.WatchGreetingsResponse(message=f"Hello, {request.name}! ({number})")

    def CollectNames(self, request_iterator: Any, context: Any) -> Any:  # type: ignore[override] # as grpc.aio allows
        names = [request.name for request in request_iterator]
        return pb.CollectNamesResponse(message=f"Hello, {', '.join(names)}!")

    def Chat(self, request_iterator: Any, context: Any) -> Iterator[Any]:  # type: ignore[override] # as grpc.aio allows
        for request in request_iterator:
            yield pb.ChatResponse(message=f"Hello, {request.name}!")


class Shouting(Interceptor):
    """Changes every request and every response, and remembers what it was told."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.seen: list[MethodInfo] = []

    async def intercept(
        self, call_next: Any, request: Any, context: Any, method: MethodInfo
    ) -> Any:
        self.seen.append(method)
        if method.request_streaming:
            request = self._renamed(request)
        else:
            request.name += self.mark
        response = await call_next(request, context)
        if method.response_streaming:
            return self._shouted(response)
        response.message += self.mark
        return response

    async def _renamed(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for request in requests:
            request.name += self.mark
            yield request

    async def _shouted(self, responses: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for response in responses:
            response.message += self.mark
            yield response


class Ordinary(grpc.aio.ServerInterceptor):
    """One of grpc.aio's, which hands on what it gets."""

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        return await continuation(handler_call_details)


class Asks(GreeterService):
    """Tells what its context knows."""

    async def SayHello(self, request: Any, context: Any) -> Any:
        metadata = dict(context.invocation_metadata())
        return pb.SayHelloResponse(message=f"{metadata['asks']} {request.name}")


SERVICERS = [GreeterService, ReadsAndWrites, Threaded]
POSITIONS = ["alone", "before an ordinary one", "after an ordinary one"]
# Each servicer and each position; all of the one with all of the other in `nox -s matrix`.
SERVED = [
    pytest.param(
        (servicer, position),
        id=f"{servicer.__name__}-{position}",
        marks=[] if servicer is GreeterService or position == "alone" else pytest.mark.full,
    )
    for servicer, position in itertools.product(SERVICERS, POSITIONS)
]


@pytest.fixture(params=SERVED)
def served(request: pytest.FixtureRequest) -> Any:
    """A servicer, and where in the list our interceptors are."""
    return request.param


@pytest.fixture
def servicer(served: Any) -> Any:
    return served[0]


@pytest.fixture
def interceptors(served: Any) -> list[Any]:
    ours = [Shouting("?"), Shouting("!")]
    return {
        "alone": ours,
        "before an ordinary one": [*ours, Ordinary()],
        "after an ordinary one": [Ordinary(), *ours],
    }[served[1]]


@pytest.fixture
def service_arguments(servicer: Any, interceptors: list[Any]) -> dict[str, Any]:
    # The servicers have one path over HTTP.
    named = type("GreeterService", (servicer,), {})
    return {"servicers": [named], "interceptors": interceptors}


@pytest.mark.parametrize("rpc", KINDS)
async def test_it_sees_and_changes_messages_outermost_first(
    call: Any, protocol: str, interceptors: list[Any], rpc: str
) -> None:
    requests = [type(request).FromString(request.SerializeToString()) for request in KINDS[rpc]]
    outcome: Outcome = await call(rpc, *requests)
    expected = {
        "SayHello": ["Hello, Ada?!!!?"],
        "WatchGreetings": ["Hello, Ada?!! (1)!?", "Hello, Ada?!! (2)!?"],
        "CollectNames": ["Hello, Ada?!, Grace?!!!?"],
        "Chat": ["Hello, Ada?!!!?", "Hello, Grace?!!!?"],
    }
    assert outcome.status == "OK"
    assert [message.message for message in outcome.messages] == expected[rpc]
    (method,) = next(one for one in interceptors if isinstance(one, Shouting)).seen
    assert (method.service, method.name) == ("greeter_service.v1.Greeter", rpc)
    assert method.full_name == f"/greeter_service.v1.Greeter/{rpc}"
    assert method.descriptor is not None
    assert (method.request_streaming, method.response_streaming) == (
        method.descriptor.client_streaming,
        method.descriptor.server_streaming,
    )
    assert method.protocol == protocol


class Refusing(Interceptor):
    """Lets nobody in."""

    def __init__(self, how: str) -> None:
        self.how = how

    async def intercept(
        self, call_next: Any, request: Any, context: Any, method: MethodInfo
    ) -> Any:
        if self.how == "abort":
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you")
        if self.how == "raise":
            raise CallError(grpc.StatusCode.PERMISSION_DENIED, "not you")
        raise ValueError("password=hunter2")


class TestRefusals:
    @pytest.fixture(params=["abort", "raise", "bug"])
    def interceptors(self, request: pytest.FixtureRequest) -> list[Any]:
        return [Refusing(request.param)]

    @pytest.fixture
    def servicer(self) -> Any:
        return GreeterService

    @pytest.mark.parametrize("rpc", KINDS)
    async def test_it_can_refuse_any_call(
        self, call: Any, interceptors: list[Any], rpc: str
    ) -> None:
        outcome: Outcome = await call(rpc, *KINDS[rpc])
        expected = ("PERMISSION_DENIED", "not you")
        if interceptors[0].how == "bug":
            expected = ("UNKNOWN", "Unexpected error")
        assert (outcome.status, outcome.details) == expected


@pytest.mark.parametrize(
    ("interceptor", "message"),
    [
        (object, "object is no interceptor"),
        (print, "print is no interceptor"),
        (None, "NoneType is no interceptor"),
    ],
)
def test_what_is_neither_kind_is_refused(interceptor: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        create_app(Settings(http_port=0, grpc_port=0), interceptors=[interceptor])


class Counting(Interceptor):
    """Made at each start, with the resources: a list that its calls go to."""

    def __init__(self, resources: list[str]) -> None:
        self._names = resources
        resources.append("made")

    async def intercept(self, call_next: Any, request: Any, context: Any, method: Any) -> Any:
        self._names.append(method.name)
        return await call_next(request, context)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_class_is_made_with_the_resources_at_each_start(protocol: str) -> None:
    opened: list[list[str]] = []

    @asynccontextmanager
    async def lifespan(_settings: Settings, _health: Health) -> AsyncIterator[list[str]]:
        opened.append([])
        yield opened[-1]

    settings = Settings(http_port=0, grpc_port=0)
    app = create_app(settings, lifespan=lifespan, interceptors=[Counting])
    for _ in range(2):
        async with Server(app) as server, client(server, protocol) as call:
            await call("SayHello", pb.SayHelloRequest(name="Ada"))
    assert opened == [["made", "SayHello"]] * 2


def test_a_class_whose_constructor_wants_what_there_is_not_is_refused() -> None:
    class Greedy(Counting):
        def __init__(self, resources: Any, more: Any) -> None:
            """It gets no more."""

    settings = Settings(http_port=0, grpc_port=0)
    with pytest.raises(ValueError, match=r"Counting\.__init__ takes the resources, but"):
        create_app(settings, interceptors=[Counting])
    with pytest.raises(ValueError, match=r"Greedy\.__init__ may take the resources"):
        create_app(settings, interceptors=[Greedy])


async def test_nothing_is_left_of_a_stream_that_is_given_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended = asyncio.Event()

    class Waiting(GreeterService):
        async def WatchGreetings(self, request: Any, context: Any) -> None:  # type: ignore[override] # as grpc.aio allows
            context.add_done_callback(lambda _context: ended.set())
            await context.write(pb.WatchGreetingsResponse(message="one"))
            await asyncio.Event().wait()

    app = create_app(
        Settings(http_port=0, grpc_port=0), servicers=[Waiting], interceptors=[Shouting("!")]
    )
    async with Server(app) as server, channel(server) as connected:
        watch: Any = pb_grpc.GreeterStub(connected).WatchGreetings
        call = watch(pb.WatchGreetingsRequest(name="Ada", count=1))
        assert (await call.read()).message == "one!"
        call.cancel()
        await ended.wait()
    gc.collect()
    # Such as that a task was destroyed that was still waiting.
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


def test_an_intercept_that_yields_is_refused() -> None:
    class Yields(Interceptor):
        async def intercept(self, call_next: Any, request: Any, context: Any, method: Any) -> Any:
            yield request

    with pytest.raises(TypeError, match=r"Yields\.intercept must be a coroutine function"):
        create_app(Settings(http_port=0, grpc_port=0), interceptors=[Yields()])

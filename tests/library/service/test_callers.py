"""Who calls: what an interceptor of the service's own says is what everybody sees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest
from greeter.app import GreeterService, create_app
from greeter.settings import Settings
from greeter_service.v1 import greeter_pb2 as pb
from log_lines import Lines, logging_to_memory
from polyrpc import Interceptor, caller
from polyrpc.framework.imports import Gateway, get
from polyrpc.process.server import Server
from polyrpc.testing import Call, client
from pydantic import SecretStr
from serving import http_client
from wire import until

KINDS: dict[str, list[Any]] = {
    "SayHello": [pb.SayHelloRequest(name="Ada")],
    "WatchGreetings": [pb.WatchGreetingsRequest(name="Ada", count=1)],
    "CollectNames": [pb.CollectNamesRequest(name="Ada")],
    "Chat": [pb.ChatRequest(name="Ada")],
}
CLAIMS = {"sub": "ada", "email": "ada@example.org"}


def who() -> str:
    """All that is known of the caller."""
    identity = caller()
    return "nobody" if identity is None else f"{identity.name} {dict(identity.claims)}"


class Authentication(Interceptor):
    """Believes what it is told."""

    def __init__(self) -> None:
        self.afterwards: list[str] = []

    async def intercept(self, call_next: Any, request: Any, context: Any, method: Any) -> Any:
        name = dict(context.invocation_metadata())["x-name"]
        self.set_caller(name, CLAIMS)
        response = await call_next(request, context)
        self.afterwards.append(who())
        return response


class Ordinary(grpc.aio.ServerInterceptor):
    """One of grpc.aio's: what comes after it may run in a task of its own."""

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        return await continuation(handler_call_details)


class OrdinaryAuthentication(grpc.aio.ServerInterceptor):
    """One of grpc.aio's that believes what it is told."""

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        name = dict(handler_call_details.invocation_metadata)["x-name"]
        Interceptor.set_caller(str(name), CLAIMS)
        return await continuation(handler_call_details)


class Looks(Interceptor):
    """Remembers whom it saw when the call had ended."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def intercept(self, call_next: Any, request: Any, context: Any, method: Any) -> Any:
        if method.response_streaming:
            return self._all(await call_next(request, context))
        response = await call_next(request, context)
        self.seen.append(who())
        return response

    async def _all(self, responses: Any) -> Any:
        async for response in responses:
            yield response
        self.seen.append(who())


class Telling(GreeterService):
    """Answers who calls."""

    async def SayHello(self, request: Any, context: Any) -> Any:
        return pb.SayHelloResponse(message=who())

    async def WatchGreetings(self, request: Any, context: Any) -> Any:
        yield pb.WatchGreetingsResponse(message=who())

    async def CollectNames(self, request_iterator: Any, context: Any) -> Any:
        return pb.CollectNamesResponse(message=who())

    async def Chat(self, request_iterator: Any, context: Any) -> Any:
        yield pb.ChatResponse(message=who())


class InThreads(GreeterService):
    """The same, by functions that are plain."""

    def SayHello(self, request: Any, context: Any) -> Any:  # type: ignore[override] # as grpc.aio allows
        return pb.SayHelloResponse(message=who())

    def WatchGreetings(self, request: Any, context: Any) -> Iterator[Any]:  # type: ignore[override] # as grpc.aio allows
        yield pb.WatchGreetingsResponse(message=who())

    def CollectNames(self, request_iterator: Any, context: Any) -> Any:  # type: ignore[override] # as grpc.aio allows
        return pb.CollectNamesResponse(message=who())

    def Chat(self, request_iterator: Any, context: Any) -> Iterator[Any]:  # type: ignore[override] # as grpc.aio allows
        yield pb.ChatResponse(message=who())


class SaysFirst:
    """A middleware that says who calls a route."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        Interceptor.set_caller("a visitor")
        await self.app(scope, receive, send)


@get("/who")
async def tell() -> dict[str, str]:
    return {"who": who()}


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    with logging_to_memory(monkeypatch) as lines:
        yield lines


SAID = f"ada {CLAIMS}"


@pytest.mark.parametrize("between", [[], [Ordinary()]], ids=["", "behind an ordinary one"])
@pytest.mark.parametrize("servicer", [Telling, InThreads])
async def test_servicer_interceptors_and_log_agree_on_every_rpc(
    lines: Lines, protocol: str, servicer: type, between: list[Any]
) -> None:
    looks, authentication = Looks(), Authentication()
    interceptors = [looks, *between, authentication]
    app = create_app(
        Settings(http_port=0, grpc_port=0), servicers=[servicer], interceptors=interceptors
    )
    async with Server(app) as service, client(service, protocol) as call:
        for rpc, requests in KINDS.items():
            outcome = await call(rpc, *requests, **{"x-name": "ada"})
            assert [message.message for message in outcome.messages] == [SAID], outcome
    assert looks.seen == authentication.afterwards == [SAID] * len(KINDS)
    calls = [line for line in lines() if line["event"] == "call"]
    assert [line["caller"] for line in calls] == ["ada"] * len(KINDS)
    assert "example.org" not in str(calls)


async def test_an_ordinary_interceptor_says_so_too(lines: Lines, protocol: str) -> None:
    app = create_app(
        Settings(http_port=0, grpc_port=0),
        servicers=[Telling],
        interceptors=[OrdinaryAuthentication()],
    )
    async with Server(app) as service, client(service, protocol) as call:
        for rpc, requests in KINDS.items():
            outcome = await call(rpc, *requests, **{"x-name": "ada"})
            assert [message.message for message in outcome.messages] == [SAID], outcome
    calls = [line for line in lines() if line["event"] == "call"]
    assert [line["caller"] for line in calls] == ["ada"] * len(KINDS)


class TestBesideTokens:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(http_port=0, grpc_port=0, auth_tokens=SecretStr("known"))

    @pytest.fixture
    def service_arguments(self) -> dict[str, Any]:
        routes = [Gateway(handler=tell)]
        return {
            "servicers": [Telling],
            "interceptors": [Authentication()],
            "routes": routes,
            "middleware": [SaysFirst],
        }

    async def test_who_says_so_last_is_believed(self, lines: Lines, service: Server) -> None:
        headers = {"authorization": "Bearer known", "x-name": "ada"}
        async with http_client(service.http_port, headers=headers) as http:
            answer = await http.post("/greeter_service.v1.Greeter/SayHello", json={})
            assert answer.json() == {"message": SAID}
        (line,) = [line for line in lines() if line["event"] == "call"]
        assert (line["protocol"], line["caller"]) == ("connect", "ada")

    async def test_of_a_call_that_is_refused_the_caller_is_nobody(
        self, lines: Lines, call: Call
    ) -> None:
        outcome = await call("SayHello", pb.SayHelloRequest(), **{"x-name": "ada"})
        assert outcome.status == "UNAUTHENTICATED"
        # Over gRPC the caller learns of it first.
        await until(lambda: [line for line in lines() if line["event"] == "call"])
        (line,) = [line for line in lines() if line["event"] == "call"]
        assert "caller" not in line

    async def test_a_route_has_a_caller_too(self, lines: Lines, http: httpx.AsyncClient) -> None:
        known = await http.get("/who", headers={"authorization": "Bearer known"})
        assert known.json()["who"].startswith("token-")
        assert (await http.get("/readyz")).status_code == 200
        visit, *_ = [line for line in lines() if line["event"] == "request"]
        assert visit["caller"] == known.json()["who"].split()[0]


class TestOfARoute:
    @pytest.fixture
    def service_arguments(self) -> dict[str, Any]:
        return {"routes": [Gateway(handler=tell)], "middleware": [SaysFirst]}

    async def test_a_middleware_says_who_calls(self, lines: Lines, http: httpx.AsyncClient) -> None:
        assert (await http.get("/who")).json() == {"who": "a visitor {}"}
        (line,) = [line for line in lines() if line["event"] == "request"]
        assert line["caller"] == "a visitor"


@pytest.mark.parametrize("name", [None, b"ada", 7])
def test_a_name_is_text(name: Any) -> None:
    with pytest.raises(TypeError, match="the name of a caller is text, not"):
        Interceptor.set_caller(name)

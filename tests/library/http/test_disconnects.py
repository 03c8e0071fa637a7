"""A client that goes away ends its call, however its request came and by whatever server."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import grpc
import pytest
import serving
from polyrpc.framework.application import UnchangedLogging
from polyrpc.framework.imports import Application, DefineMiddleware, register_grpc_http_routes
from polyrpc.interceptors.concurrency_limit import ConcurrencyLimit
from polyrpc.interceptors.standard import StandardInterceptor
from polyrpc.rpc.handlers import RpcFunction
from polyrpc.rpc.interception import MethodInterceptor
from polyrpc.rpc.method_info import Protocol
from polyrpc.server.http_server import HttpServer
from polyrpc.settings import ServiceSettings
from serving import EchoService, gateway_of
from testing.v1 import testing_pb2 as pb

pytestmark = pytest.mark.full

RPCS = ("unary", "serverstream", "clientstream", "bidi")


class Waiting(EchoService):
    """Waits for good in each of its methods."""

    def __init__(self) -> None:
        self.entered: asyncio.Queue[None] = asyncio.Queue()
        self.cancelled: asyncio.Queue[bool] = asyncio.Queue()

    async def wait(self, _request: Any, context: Any) -> Any:
        self.entered.put_nowait(None)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.put_nowait(context.cancelled())
            raise

    Unary = ServerStream = wait

    async def read_and_wait(self, requests: Any, context: Any) -> Any:
        await anext(requests)
        await self.wait(requests, context)

    ClientStream = Bidi = read_and_wait


class Observed:
    """An ASGI application, and how far it has come with its request.

    Attributes:
        steps: A step for each request that has begun, and for each event that has been received.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self.steps: asyncio.Queue[str] = asyncio.Queue()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def receiving() -> Any:
            event = await receive()
            self.steps.put_nowait("received")
            return event

        self.steps.put_nowait("begun")
        await self._app(scope, receiving, send)


class Passing(grpc.aio.ServerInterceptor):
    async def intercept_service(
        self, continuation: Callable[..., Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        return await continuation(handler_call_details)


async def look_up() -> None:
    await asyncio.get_running_loop().run_in_executor(None, int)


class LookingUp(grpc.aio.ServerInterceptor):
    """Waits for something before it lets a call pass."""

    def __init__(self, look_up: Callable[[], Awaitable[None]] = look_up) -> None:
        self._look_up = look_up

    async def intercept_service(
        self, continuation: Callable[..., Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        await self._look_up()
        return await continuation(handler_call_details)


class PassingLayer(MethodInterceptor):
    def wrap(self, rpc: str, protocol: Protocol, run: RpcFunction) -> RpcFunction:
        async def passing(request: Any, context: Any) -> Any:
            return await run(request, context)

        return passing


class LookingUpLayer(MethodInterceptor):
    def __init__(self, look_up: Callable[[], Awaitable[None]] = look_up) -> None:
        self._look_up = look_up

    def wrap(self, rpc: str, protocol: Protocol, run: RpcFunction) -> RpcFunction:
        async def looking_up(request: Any, context: Any) -> Any:
            await self._look_up()
            return await run(request, context)

        return looking_up


INTERCEPTORS: dict[str, Callable[[], list[Any]]] = {
    "none": list,
    "layer": lambda: [PassingLayer()],
    "layer that waits": lambda: [LookingUpLayer()],
    "ordinary": lambda: [Passing()],
    "ordinary that waits": lambda: [LookingUp()],
    "layer among ordinary ones": lambda: [Passing(), PassingLayer(), Passing()],
    # One call at a time: the next one finds out whether the last one has made room.
    "limit": lambda: [StandardInterceptor(limit=ConcurrencyLimit(1))],
    "limit among ordinary ones": lambda: [
        Passing(),
        StandardInterceptor(limit=ConcurrencyLimit(1)),
    ],
}


@asynccontextmanager
async def own_server(app: Any) -> AsyncIterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = HttpServer(app, ServiceSettings())
    await server.start(listener)
    try:
        yield listener.getsockname()[1]
    finally:
        await server.stop(0)


def uvicorn_with(http: str) -> Callable[[Any], AbstractAsyncContextManager[int]]:
    return lambda app: serving.http_server(app, http=http)


SERVERS = {"own": own_server, "httptools": uvicorn_with("httptools"), "h11": uvicorn_with("h11")}


class Through:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


def application(servicer: EchoService, interceptors: list[Any], way: str) -> Observed:
    middleware = [DefineMiddleware(Through)] if way == "general" else []
    app = Application(logging_config=UnchangedLogging(), middleware=middleware)
    register_grpc_http_routes(app, [gateway_of(servicer, interceptors=interceptors)])
    return Observed(app)


async def step(app: Observed, wanted: str) -> None:
    while await app.steps.get() != wanted:
        pass


Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]
BODY = b'{"text":"World"}'
LARGE = b'{"text":"%b"}' % (b"x" * 200_000)


def head(rpc: str, length: int | None) -> bytes:
    framing = b"transfer-encoding: chunked" if length is None else b"content-length: %d" % length
    return b"POST /grpc/waiting/%b HTTP/1.1\r\nhost: x\r\n%b\r\n\r\n" % (rpc.encode(), framing)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def together(rpc: str, _app: Observed, writer: asyncio.StreamWriter) -> None:
    writer.write(head(rpc, len(BODY)) + BODY)


async def body_later(rpc: str, app: Observed, writer: asyncio.StreamWriter) -> None:
    writer.write(head(rpc, len(BODY)))
    await step(app, "begun")
    writer.write(BODY)


async def in_parts(rpc: str, app: Observed, writer: asyncio.StreamWriter) -> None:
    writer.write(head(rpc, len(BODY)) + BODY[:3])
    await step(app, "received")
    writer.write(BODY[3:9])
    await step(app, "received")
    writer.write(BODY[9:])


async def large(rpc: str, _app: Observed, writer: asyncio.StreamWriter) -> None:
    writer.write(head(rpc, len(LARGE)) + LARGE)


async def chunked(rpc: str, app: Observed, writer: asyncio.StreamWriter) -> None:
    writer.write(head(rpc, None) + chunk(BODY[:3]))
    await step(app, "received")
    writer.write(chunk(BODY[3:]) + chunk(b""))


async def with_a_deadline(rpc: str, app: Observed, writer: asyncio.StreamWriter) -> None:
    start = head(rpc, len(BODY)).removesuffix(b"\r\n")
    writer.write(start + b"grpc-timeout: 1H\r\n\r\n")
    await step(app, "begun")
    writer.write(BODY)


ARRIVALS = (together, body_later, in_parts, large, chunked, with_a_deadline)


def close(writer: asyncio.StreamWriter) -> None:
    writer.close()


def reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()


def half_close(writer: asyncio.StreamWriter) -> None:
    writer.write_eof()


DEPARTURES = (close, reset, half_close)


@pytest.mark.parametrize("way", ["short", "general"])
@pytest.mark.parametrize("interceptors", INTERCEPTORS)
@pytest.mark.parametrize("server", SERVERS)
async def test_a_client_that_goes_away_cancels_its_call(
    server: str, interceptors: str, way: str
) -> None:
    servicer = Waiting()
    app = application(servicer, INTERCEPTORS[interceptors](), way)
    async with SERVERS[server](app) as port:
        for number, arrive in enumerate(ARRIVALS):
            for rpc in RPCS:
                app.steps = asyncio.Queue()
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                await arrive(rpc, app, writer)
                await servicer.entered.get()
                DEPARTURES[number % len(DEPARTURES)](writer)
                assert await servicer.cancelled.get(), "and the handler is told"
                writer.close()


@pytest.mark.parametrize("depart", DEPARTURES)
@pytest.mark.parametrize("server", SERVERS)
async def test_however_the_client_goes(server: str, depart: Callable[..., None]) -> None:
    servicer = Waiting()
    app = application(servicer, [], "short")
    async with SERVERS[server](app) as port:
        for rpc in RPCS:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            await body_later(rpc, app, writer)
            await servicer.entered.get()
            depart(writer)
            assert await servicer.cancelled.get()
            writer.close()


@pytest.mark.parametrize("interceptor", [LookingUp, LookingUpLayer])
@pytest.mark.parametrize("rpc", RPCS)
async def test_what_interceptors_wait_for_ends_too(rpc: str, interceptor: Any) -> None:
    entered, ended = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    app = application(Waiting(), [interceptor(wait)], "short")
    async with serving.http_server(app) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        await large(rpc, app, writer)
        await entered.wait()
        writer.close()
        await ended.wait()


async def test_one_that_reads_nothing_of_a_stream_ends_too() -> None:
    class Deaf(Waiting):
        ClientStream = Bidi = Waiting.wait

    servicer = Deaf()
    Deaf.__name__ = "Waiting"
    app = application(servicer, [], "short")
    async with serving.http_server(app) as port:
        for rpc in ("clientstream", "bidi"):
            for arrive in ARRIVALS:
                app.steps = asyncio.Queue()
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                await arrive(rpc, app, writer)
                await servicer.entered.get()
                writer.close()
                assert await servicer.cancelled.get()


@pytest.mark.parametrize("depart", DEPARTURES)
@pytest.mark.parametrize("second", ["whole", "without its body", "half a head"])
@pytest.mark.parametrize("first", [together, body_later, in_parts, chunked])
async def test_one_that_has_sent_its_next_request_already_ends_too(
    first: Callable[..., Awaitable[None]], second: str, depart: Callable[..., None]
) -> None:
    servicer = Waiting()
    app = application(servicer, [], "short")
    following = {
        "whole": head("unary", len(BODY)) + BODY,
        "without its body": head("unary", len(BODY)),
        "half a head": head("unary", len(BODY))[:20],
    }
    async with own_server(app) as port:
        for rpc in RPCS:
            app.steps = asyncio.Queue()
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            await first(rpc, app, writer)
            await servicer.entered.get()
            writer.write(following[second])
            await writer.drain()
            depart(writer)
            assert await servicer.cancelled.get()
            writer.close()


async def test_a_method_in_a_thread_is_told() -> None:
    entered, told = threading.Event(), threading.Event()

    class InThread(EchoService):
        def Unary(self, request: Any, context: Any) -> Any:
            context.add_callback(told.set)
            entered.set()
            while context.is_active():
                told.wait(1)
            return pb.EchoResponse()

    InThread.__name__ = "Waiting"
    app = application(InThread(), [], "short")
    loop = asyncio.get_running_loop()
    async with serving.http_server(app) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        await body_later("unary", app, writer)
        await loop.run_in_executor(None, entered.wait)
        writer.close()
        await loop.run_in_executor(None, told.wait)

"""Gateways behind a real HTTP server and a real gRPC port, and services to put into them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import httpx
import uvicorn
from polyrpc import ServiceGateway
from polyrpc.framework.application import UnchangedLogging
from polyrpc.framework.imports import Application, register_grpc_http_routes
from testing.v1 import testing_pb2 as pb
from testing.v1 import testing_pb2_grpc as pb_grpc


class EchoService(pb_grpc.EchoServicer):
    """Each test overrides the methods that it is about."""

    @classmethod
    def __add_to_server__(cls, instance: Any, server: Any) -> None:
        pb_grpc.add_EchoServicer_to_server(instance, server)

    async def Unary(self, request: Any, context: Any) -> Any:
        return pb.EchoResponse(text=request.text, index=request.count)

    async def ServerStream(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for index in range(request.count):
            yield pb.EchoResponse(text=request.text, index=index)

    async def ClientStream(self, request_iterator: Any, context: Any) -> Any:
        return pb.EchoResponse(text=",".join([item.text async for item in request_iterator]))

    async def Bidi(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:
        index = 0
        async for item in request_iterator:
            yield pb.EchoResponse(text=item.text, index=index)
            index += 1

    async def Everything(self, request: Any, context: Any) -> Any:
        return request


@dataclass
class Served:
    """Where the gateways of a test listen.

    Attributes:
        http: A client of the HTTP side.
        port: The port of the HTTP side.
        stub: A native stub of `Echo` for the first gateway.
        channel: The channel of `stub`.
        app: The application.
    """

    http: httpx.AsyncClient
    port: int
    stub: Any
    channel: grpc.aio.Channel
    app: Any

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def gateway_of(*services: Any, **options: Any) -> ServiceGateway:
    return ServiceGateway("/grpc", services, port=0, **options)


@asynccontextmanager
async def serving(
    *gateways: ServiceGateway, base_path: str | None = None, app: Any = None
) -> AsyncIterator[Served]:
    """Starts the gateways and an application in which they are registered."""
    # Without a document, which the framework would make anew for each route.
    app = app or Application(logging_config=UnchangedLogging(), enable_openapi=False)
    register_grpc_http_routes(app, list(gateways), base_path=base_path)
    for gateway in gateways:
        await gateway.startup()
    try:
        async with http_server(app) as port:
            address = f"127.0.0.1:{gateways[0].bound_port}"
            async with (
                grpc.aio.insecure_channel(address) as channel,
                http_client(port, timeout=30) as http,
            ):
                yield Served(http, port, pb_grpc.EchoStub(channel), channel, app)
    finally:
        for gateway in gateways:
            await gateway.shutdown(grace=0)


def http_client(port: int, **options: Any) -> httpx.AsyncClient:
    """A client of a local server without TLS.

    It trusts nobody: httpx would read the certificates of the system, for 20 ms a client.
    """
    no_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", verify=no_tls, **options)


@asynccontextmanager
async def http_server(
    app: Any, http: Any = "auto", ws: Any = "none", *, http2: bool = False
) -> AsyncIterator[int]:
    """Serves an ASGI application with uvicorn, whose options these are; yields the port."""
    config = uvicorn.Config(
        app,
        port=0,
        http=http,
        http2=http2,
        lifespan="off",
        log_config=None,
        ws=ws,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    # The signals belong to the test runner.
    server.capture_signals = _no_signals
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if task.done():
                raise RuntimeError("uvicorn does not start") from task.exception()
            await asyncio.sleep(0)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        # Quicker than uvicorn's own shutdown, which waits a while for its clients.
        for listener in server.servers:
            listener.close()
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        requests = list(server.server_state.tasks)
        for request in (task, *requests):
            request.cancel()
        await asyncio.wait([task, *requests])


@contextmanager
def _no_signals() -> Iterator[None]:
    yield

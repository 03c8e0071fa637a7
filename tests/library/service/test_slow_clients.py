"""Clients that are slow, silent or mad: they are sent away, and hinder nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import httpx
import pytest
from greeter.settings import Settings
from greeter_service.v1 import greeter_pb2 as pb
from greeter_service.v1 import greeter_pb2_grpc as pb_grpc
from polyrpc.process.server import Server

PATH = "/grpc/greeterservice"
TIMEOUT = 0.5


@pytest.fixture
def settings() -> Settings:
    return Settings(http_port=0, grpc_port=0, read_timeout_seconds=TIMEOUT, max_header_bytes=2048)


async def answer(port: int, sent: bytes) -> bytes:
    """Sends something and reads all that comes, until the server ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", b""),
        (b"GET /healthz HTTP/1.1\r\nhost: a", b"HTTP/1.1 408 "),
        (
            f"POST {PATH}/sayhello HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{{".encode(),
            b"HTTP/1.1 408 ",
        ),
        (b"GET /healthz HTTP/1.1\r\na: " + b"a" * 2048 + b"\r\n\r\n", b"HTTP/1.1 431 "),
        (b"GET /healthz HTTP/1.1\r\na: " + b"a" * 1024 * 1024, b"HTTP/1.1 431 "),
        (b"\x16\x03\x01 GET", b"HTTP/1.1 400 "),
    ],
    ids=["silence", "half a header", "half a body", "large header", "endless header", "garbage"],
)
async def test_http_sends_them_away(service: Server, sent: bytes, status: bytes) -> None:
    assert (await answer(service.http_port, sent)).startswith(status)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\n\r\n"], ids=["silence", "garbage"])
async def test_grpc_sends_them_away(service: Server, sent: bytes) -> None:
    await answer(service.grpc_port, sent)


async def test_streams_may_pause(http: httpx.AsyncClient) -> None:
    async def names() -> AsyncIterator[bytes]:
        yield b'{"name": "Ada"}\n'
        await asyncio.sleep(3 * TIMEOUT)
        yield b'{"name": "Grace"}\n'

    headers = {"content-type": "application/x-ndjson"}
    response = await http.post(f"{PATH}/collectnames", content=names(), headers=headers)
    assert response.json() == {"message": "Hello, Ada, Grace!"}


async def test_grpc_refuses_large_metadata(
    stub: pb_grpc.GreeterAsyncStub,
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await stub.SayHello(pb.SayHelloRequest(), metadata=[("a", "a" * 4096)])
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_half_open_connections_hinder_nobody(
    service: Server, http: httpx.AsyncClient, stub: pb_grpc.GreeterAsyncStub
) -> None:
    ports = [service.http_port, service.grpc_port] * 50
    silent = [await asyncio.open_connection("127.0.0.1", port) for port in ports]
    assert (await http.post(f"{PATH}/sayhello", json={"name": "World"})).status_code == 200
    assert (await stub.SayHello(pb.SayHelloRequest(name="World"))).message == "Hello, World!"
    for _, writer in silent:
        writer.close()

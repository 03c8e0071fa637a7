"""A server on a real socket, and a client that says exactly what a test wants to be said."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polyrpc.server.http_server import HttpServer
from polyrpc.server.sockets import listen
from polyrpc.settings import ServiceSettings

TIMEOUT = 0.4
"""`READ_TIMEOUT_SECONDS` of the tests that wait for it."""


@asynccontextmanager
async def serving(app: Any, *, context: Any = None, **settings: Any) -> AsyncIterator[int]:
    """Serves an ASGI application; yields the port."""
    server = HttpServer(app, ServiceSettings(**settings), context)
    listener = listen("127.0.0.1", 0, "HTTP")
    port = listener.getsockname()[1]
    await server.start(listener)
    try:
        yield port
    finally:
        await server.stop(0)


@dataclass
class Answer:
    """A response, as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self, method: str = "POST") -> Answer:
        """Reads one response."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head[:-4].split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        body = b""
        if method == "HEAD":
            pass
        elif "content-length" in headers:
            body = await self.reader.readexactly(int(headers["content-length"]))
        elif headers.get("transfer-encoding") == "chunked":
            while size := int(await self.reader.readline(), 16):
                body += await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            await self.reader.readexactly(2)
        else:
            body = await self.reader.read()
        return Answer(int(first.split()[1]), headers, body)

    async def rest(self) -> bytes:
        """Reads until the server ends the connection; a reset counts as an end."""
        received = b""
        with suppress(ConnectionError):
            while part := await self.reader.read(65_536):
                received += part
        return received

    def reset(self) -> None:
        """Breaks the connection off."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


@asynccontextmanager
async def connected(port: int, *, host: str = "127.0.0.1", **options: Any) -> AsyncIterator[Client]:
    """Connects to a server."""
    reader, writer = await asyncio.open_connection(host, port, **options)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


def request(
    path: str = "/echo", body: bytes = b"", *headers: str, method: str = "POST", host: str = "a"
) -> bytes:
    """The bytes of a request whose length is declared."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(path: str = "/echo", *headers: str) -> bytes:
    """The head of a request whose body comes in chunks."""
    lines = [f"POST {path} HTTP/1.1", "host: a", "transfer-encoding: chunked", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


class Transport(asyncio.Transport):
    """Takes all that is written, and notes what was written at once."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def writelines(self, parts: Any) -> None:
        self.writes.append(b"".join(parts))

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0


async def turns(number: int) -> None:
    """Lets everything else run, several times."""
    for _ in range(number):
        await asyncio.sleep(0)


def descriptors() -> int:
    """How many descriptors this process has open; 0 where nothing tells."""
    folder = Path("/proc/self/fd")
    return len(os.listdir(folder)) if folder.is_dir() else 0


async def until(condition: Callable[[], object]) -> None:
    """Waits for a condition."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - it may be anything
            await asyncio.sleep(0.01)

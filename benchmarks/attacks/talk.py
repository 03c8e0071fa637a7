"""What strangers say, byte by byte: HTTP/1.1, and the few frames of HTTP/2 that attacks need."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

SAY_HELLO = "/grpc/greeterservice/sayhello"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RESET, SETTINGS, _, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS = 1, 4
PATIENCE_SECONDS = 1.0
"""For how long the server may take nothing before a flood ends."""


class Stranger:
    """A connection over which anything may be said."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> bool:
        """Sends, unless the server has had enough or takes nothing for a while; whether it did."""
        try:
            self.writer.write(data)
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self.writer.drain()
        except (OSError, TimeoutError):
            return False
        return not self.writer.is_closing()

    async def flood(self, data: bytes, limit: int) -> int:
        """Sends the same again and again; returns how many bytes, as far as the server took any."""
        sent = 0
        while sent < limit and await self.send(data):
            sent += len(data)
        return sent

    async def head(self, seconds: float = 15) -> int:
        """Reads the head of an answer; returns its status, or 0 if there is none."""
        try:
            async with asyncio.timeout(seconds):
                return int((await self.reader.readuntil(b"\r\n\r\n")).split()[1])
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            return 0

    async def status(self, seconds: float = 15) -> int:
        """Reads one answer; returns its status, or 0 if there is none."""
        return (await self.answer(seconds))[0]

    async def answer(self, seconds: float = 15) -> tuple[int, bytes]:
        """Reads one answer, status and body; the status is 0 if there is none."""
        try:
            async with asyncio.timeout(seconds):
                head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
                length = head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
                return int(head.split()[1]), await self.reader.readexactly(int(length or b"0"))
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            return 0, b""

    async def ended(self, seconds: float) -> bool:
        """Reads until the server ends the connection; whether it did in time."""
        try:
            async with asyncio.timeout(seconds):
                while await self.reader.read(65_536):
                    pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def reset(self) -> None:
        """Breaks the connection off."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


@asynccontextmanager
async def stranger(port: int, *, deaf: bool = False) -> AsyncIterator[Stranger]:
    """Connects.

    Args:
        port: To where, on this machine.
        deaf: Whether to read nothing, and to leave the kernel as little room as it takes.
    """
    connection = socket.socket()
    connection.setblocking(False)
    if deaf:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    try:
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    except OSError:
        connection.close()
        raise
    reader, writer = await asyncio.open_connection(sock=connection, limit=65_536)
    if deaf:
        writer.transport.pause_reading()  # type: ignore[attr-defined] # typed too narrowly
    try:
        yield Stranger(reader, writer)
    finally:
        writer.transport.abort()


@dataclass(frozen=True, slots=True)
class Pieces:
    """A request that is sent in pieces: what comes first, and then again and again."""

    first: bytes
    more: bytes = b""


def request(
    path: str = SAY_HELLO,
    body: bytes = b"",
    *lines: str,
    method: str = "POST",
    length: int | None = None,
) -> bytes:
    """The bytes of a request of declared length, which may be a lie."""
    head = [
        f"{method} {path} HTTP/1.1",
        *("host: service", "content-type: application/json"),
        f"content-length: {len(body) if length is None else length}",
    ]
    return "\r\n".join([*head, *lines, "", ""]).encode("latin-1") + body


def chunked(path: str = SAY_HELLO, *lines: str) -> bytes:
    """The head of a request whose body comes in chunks."""
    head = [f"POST {path} HTTP/1.1", "host: service", "content-type: application/json"]
    return "\r\n".join([*head, "transfer-encoding: chunked", *lines, "", ""]).encode("latin-1")


def message(**fields: Any) -> bytes:
    """A message as JSON."""
    return json.dumps(fields).encode()


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame of HTTP/2 (RFC 9113, section 4.1)."""
    return (
        len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
    )


def literal(name: bytes, value: bytes, *, indexed: bool = False) -> bytes:
    """One header field, as a literal (RFC 7541, section 6.2)."""
    return bytes([0x40 if indexed else 0]) + _text(name) + _text(value)


def call(path: bytes, content_type: bytes = b"application/grpc") -> bytes:
    """The header block of a call over HTTP/2."""
    fields = {
        b":method": b"POST",
        b":scheme": b"http",
        b":path": path,
        b":authority": b"service",
        b"te": b"trailers",
        b"content-type": content_type,
    }
    return b"".join(literal(name, value) for name, value in fields.items())


async def frames(reader: asyncio.StreamReader) -> AsyncIterator[tuple[int, int]]:
    """The kinds and streams of the frames that arrive, up to the end."""
    while True:
        try:
            head = await reader.readexactly(9)
            await reader.readexactly(int.from_bytes(head[:3], "big"))
        except (OSError, EOFError):
            return
        yield head[3], int.from_bytes(head[5:9], "big")


def _text(value: bytes) -> bytes:
    if len(value) < 127:
        return bytes([len(value)]) + value
    length, rest = b"\x7f", len(value) - 127
    while rest >= 128:
        length += bytes([rest % 128 + 128])
        rest //= 128
    return length + bytes([rest]) + value

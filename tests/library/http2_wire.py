"""An HTTP/2 client that sends exactly the frames that a test wants to be sent.

Headers are compressed by the package `hpack`; all else is written here, and nothing of the server.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hpack import Decoder, Encoder
from wire import Client

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = range(4)
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = range(5, 10)
ENHANCE_YOUR_CALM = 11
WHOLE_WINDOW = 2**31 - 1

Fields = list[tuple[str, str]]


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def number(self) -> int:
        """The 32 bits that the payload ends with."""
        return int.from_bytes(self.payload[-4:], "big")

    @property
    def code(self) -> int:
        """The error code of a GOAWAY or RST_STREAM."""
        start = 4 if self.kind == GOAWAY else 0
        return int.from_bytes(self.payload[start : start + 4], "big")


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
    return head + payload


def number(value: int) -> bytes:
    return value.to_bytes(4, "big")


def setting(identifier: int, value: int) -> bytes:
    return identifier.to_bytes(2, "big") + number(value)


@dataclass
class Answer:
    """A response, as its frames had it.

    Attributes:
        reset: The code of the RST_STREAM that came, if one did.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    trailers: dict[str, str] = field(default_factory=dict)
    informational: list[int] = field(default_factory=list)
    is_complete: bool = False
    reset: int | None = None

    @property
    def told(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)


class Http2Client(Client):
    """One connection.

    Attributes:
        seen: All frames that were received.
        last: The newest stream.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self.encoder, self.decoder = Encoder(), Decoder()
        self.seen: list[Frame] = []
        self.answers: dict[int, Answer] = {}
        self.last = -1

    def begin(self, settings: bytes = b"") -> None:
        self.send(PREFACE + frame(SETTINGS, 0, 0, settings))

    def headers(
        self, path: str = "/echo", *fields: tuple[str, str], method: str = "POST", **pseudo: str
    ) -> bytes:
        """A block of headers."""
        first = {":method": method, ":scheme": "http", ":path": path, ":authority": "a"}
        first |= {f":{name}": value for name, value in pseudo.items()}
        return self.encoder.encode([*first.items(), *fields])

    def ask(
        self,
        path: str = "/echo",
        *fields: tuple[str, str],
        body: bytes = b"",
        end: bool = True,
        **rest: str,
    ) -> int:
        """Sends a request, and returns its stream."""
        self.last += 2
        ends_at_once = end and not body
        flags = END_HEADERS | (END_STREAM if ends_at_once else 0)
        self.send(frame(HEADERS, flags, self.last, self.headers(path, *fields, **rest)))
        parts = [body[start : start + 16_384] for start in range(0, len(body), 16_384)]
        for part in parts:
            ends = END_STREAM if end and part is parts[-1] else 0
            self.send(frame(DATA, ends, self.last, part))
        return self.last

    def data(self, stream: int, body: bytes = b"", *, end: bool = False) -> None:
        self.send(frame(DATA, END_STREAM if end else 0, stream, body))

    def give(self, stream: int, size: int) -> None:
        """Lets the server send more."""
        self.send(frame(WINDOW, 0, stream, number(size)))

    async def frame(self) -> Frame:
        """Reads one frame.

        Raises:
            EOFError: There is none any more.
        """
        try:
            head = await self.reader.readexactly(9)
            payload = await self.reader.readexactly(int.from_bytes(head[:3], "big"))
        except (asyncio.IncompleteReadError, ConnectionError):
            raise EOFError from None
        one = Frame(head[3], head[4], int.from_bytes(head[5:], "big"), payload)
        self.seen.append(one)
        self._note(one)
        return one

    async def until(self, kind: int, stream: int | None = None, flags: int = 0) -> Frame:
        """Reads to the first frame of this kind."""
        async with asyncio.timeout(30):
            while True:
                one = await self.frame()
                if one.kind == kind and stream in (None, one.stream) and one.flags & flags == flags:
                    return one

    async def response(self, stream: int) -> Answer:
        """Reads to the end of a response, or of its stream."""
        async with asyncio.timeout(30):
            while stream not in self.answers or not (
                self.answers[stream].is_complete or self.answers[stream].reset is not None
            ):
                await self.frame()
        return self.answers[stream]

    async def ping(self, data: bytes = b"12345678") -> None:
        """Waits until the server has seen all that was sent, and what that woke has had a turn."""
        for _ in range(2):
            self.send(frame(PING, 0, 0, data))
            while (await self.until(PING, flags=ACK)).payload != data:
                pass

    async def fault(self) -> int:
        """Reads to the end of the connection, and returns the code of the last GOAWAY; -1: none."""
        with suppress(EOFError):
            while True:
                await asyncio.wait_for(self.frame(), 30)
        farewells = self.frames(GOAWAY)
        return farewells[-1].code if farewells else -1

    def frames(self, kind: int, stream: int | None = None) -> list[Frame]:
        """Those of this kind that were received."""
        return [one for one in self.seen if one.kind == kind and stream in (None, one.stream)]

    def _note(self, one: Frame) -> None:
        if one.kind == SETTINGS and not one.flags & ACK:
            self._settle(one.payload)
            return
        answer = self.answers.setdefault(one.stream, Answer())
        if one.kind == HEADERS:
            fields = dict(self.decoder.decode(one.payload))
            status = int(fields.pop(":status", 0))
            if 100 <= status < 200:
                answer.informational.append(status)
            elif status:
                answer.status, answer.headers = status, fields
            else:
                answer.trailers = fields
        elif one.kind == DATA:
            answer.body += one.payload
        elif one.kind == RST_STREAM:
            answer.reset = one.code
        if one.kind in (HEADERS, DATA) and one.flags & END_STREAM:
            answer.is_complete = True

    def _settle(self, payload: bytes) -> None:
        for start in range(0, len(payload), 6):
            if int.from_bytes(payload[start : start + 2], "big") == 1:
                size = int.from_bytes(payload[start + 2 : start + 6], "big")
                self.encoder.header_table_size = size
        self.send(frame(SETTINGS, ACK))


@asynccontextmanager
async def http2(
    port: int, *, settings: bytes = b"", begin: bool = True, **options: Any
) -> AsyncIterator[Http2Client]:
    """Connects to a server, by prior knowledge."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **options)
    client = Http2Client(reader, writer)
    if begin:
        client.begin(settings)
    try:
        yield client
    finally:
        writer.transport.abort()

"""One request over HTTP/1.1 and its response, as ASGI has it; what HTTP/2 has of it, too."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from .framing import ChunkedBody, RequestHeaders
from .refusals import FAILED, NO_BODY, STOPPING, Refusal, Refused

if TYPE_CHECKING:
    from .http_protocol import HttpProtocol

logger = logging.getLogger("polyrpc.server")

HIGH_WATER_BYTES = 64 * 1024
"""Of a request's body, or of what comes after it: more is not read before these are used."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_NOT_IN_NAME = re.compile(rb'[\x00-\x20\x7f-\xff()<>@,;:\[\]={}\\"]')
NOT_IN_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
DISCONNECT = {"type": "http.disconnect"}


class Answering:
    """A request that an ASGI application answers, whatever it came over.

    Args:
        scope: ASGI's.

    Attributes:
        scope: As given.
        disconnected: Nobody listens any more.
        response_started: The client has been sent a part of the response.
        response_complete: It has been sent all of it.
    """

    __slots__ = (
        "_arrived",
        "_delivered",
        "_left",
        "disconnected",
        "response_complete",
        "response_started",
        "scope",
    )

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self.scope = scope
        self._arrived: asyncio.Event | None = None
        self._delivered = False
        # How much of the response's declared length is still to be sent; None: none was declared.
        self._left: int | None = None
        self.disconnected = self.response_started = self.response_complete = False

    async def run(self, app: Any) -> None:
        """Has the application answer, or answers for it."""
        try:
            await app(self.scope, self.receive, self.send)
        except asyncio.CancelledError:  # The time to stop is over.
            await self.refuse(STOPPING)
            return
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # such as SystemExit: it ends the request, not the service
            logger.error("Unexpected %s of the application", type(error).__name__, exc_info=error)
        else:
            if self.response_complete or self.disconnected:
                return
            logger.error("the application returned without a complete response")
        await self.refuse(FAILED)

    def wake(self) -> None:
        """Something has changed that `receive` may wait for."""
        if self._arrived is not None:
            self._arrived.set()

    async def _wait(self) -> None:
        """Waits for that."""
        if self._arrived is None:
            self._arrived = asyncio.Event()
        self._arrived.clear()
        await self._arrived.wait()

    async def refuse(self, refusal: Refusal) -> None:
        """Answers in the application's place."""
        raise NotImplementedError

    async def receive(self) -> Mapping[str, Any]:
        """ASGI's `receive`."""
        raise NotImplementedError

    async def send(self, message: Mapping[str, Any]) -> None:
        """ASGI's `send`."""
        raise NotImplementedError


class Exchange(Answering):
    """One request and its response.

    Attributes:
        on_disconnect: Called when nobody listens any more; None: the application will receive it.
        missing: How many bytes of the body are still to come, where its length was declared.
        chunks: What takes the body apart, where it comes in chunks.
        more_body: The body has not all arrived.
        received: How much of its content has.
        body: What has arrived of it and was not asked for yet.
        may_pause: The body is a stream: its client may take its time.
        keep_alive: Another request may follow.
        awaits_continue: Its client waits to be told to send the body.
    """

    __slots__ = (
        "_connection",
        "_unframed",
        "awaits_continue",
        "body",
        "chunks",
        "keep_alive",
        "may_pause",
        "missing",
        "more_body",
        "on_disconnect",
        "received",
    )

    def __init__(
        self,
        connection: HttpProtocol,
        scope: Mapping[str, Any],
        head: RequestHeaders,
        max_bytes: int,
    ) -> None:
        super().__init__(scope)
        self._connection = connection
        self._unframed = False
        self.on_disconnect: Callable[[], None] | None = None
        self.missing = head.length
        self.chunks = ChunkedBody(max_bytes) if head.is_chunked else None
        self.more_body = head.is_chunked or head.length > 0
        self.body: bytes | bytearray = b""
        self.received = 0
        self.may_pause = False
        self.keep_alive = head.keep_alive
        self.awaits_continue = head.expects_continue and self.more_body

    async def refuse(self, refusal: Refusal) -> None:
        """Answers in the application's place, and ends the connection."""
        if self.response_complete or self.disconnected:
            return
        if self.response_started:
            self.disconnect()
            # Of one without a length, the end would be taken for its own.
            self._connection.cut(reset=self._unframed)
            return
        headers, body = refusal.response(
            self._connection.connections.allowed_to(self.scope["headers"])
        )
        start = {"type": "http.response.start", "status": refusal.status, "headers": headers}
        await self.send(start)
        await self.send({"type": "http.response.body", "body": body})

    def disconnect(self) -> None:
        """Tells the application that nobody listens any more."""
        self.disconnected = True
        self.body = b""
        self.wake()
        if self.on_disconnect is not None:
            self.on_disconnect()

    def feed(self, data: bytes, position: int) -> int:
        """Takes what belongs to the body, and returns the position of what comes after.

        Raises:
            Refused: It is malformed, or there is to be none.
        """
        if self.chunks is not None:
            part, position = self.chunks.feed(data, position)
            self.more_body = not self.chunks.is_complete
        else:
            part = data[position : position + self.missing]
            position += len(part)
            self.missing -= len(part)
            self.more_body = self.missing > 0
        self.received += len(part)
        if not (self.response_complete or self.disconnected):
            # Frameworks read it whole, for nothing.
            if self.received > HIGH_WATER_BYTES and self.scope["method"] in ("GET", "HEAD"):
                raise Refused(NO_BODY)
            if not self.body:
                self.body = part
            else:
                if isinstance(self.body, bytes):
                    self.body = bytearray(self.body)
                self.body += part
            self.wake()
        return position

    async def receive(self) -> Mapping[str, Any]:
        """ASGI's `receive`."""
        if self.awaits_continue and not (self.response_started or self.disconnected):
            self.awaits_continue = False
            self._connection.write(_CONTINUE)
            self._connection.go_on()
        while not (self.disconnected or self.response_complete):
            if not self._delivered and (self.body or not self.more_body):
                body, self.body = bytes(self.body), b""
                self._delivered = not self.more_body
                event = {"type": "http.request", "body": body, "more_body": self.more_body}
                if len(body) > HIGH_WATER_BYTES:
                    self._connection.go_on()
                return event
            await self._wait()
        return DISCONNECT

    async def send(self, message: Mapping[str, Any]) -> None:
        """ASGI's `send`."""
        connection = self._connection
        if connection.write_paused and not self.disconnected:
            await connection.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if not self.response_started:
            if kind != "http.response.start":
                raise RuntimeError(f"expected http.response.start, not {kind}")
            head = self._head(message["status"], message.get("headers", ()))
            self.response_started = True
            connection.hold(head)
            return
        if kind != "http.response.body" or self.response_complete:
            raise RuntimeError(f"{kind} does not follow here")
        body = message.get("body", b"")
        more_body = message.get("more_body", False)
        if more_body and self._left is None and not self._unframed and body:
            # As most parts of a stream are: `_framed` knows the others.
            connection.hold(b"%x\r\n%b\r\n" % (len(body), body))
            return
        data = self._framed(body, more_body=more_body)
        if data:
            (connection.hold if more_body else connection.write)(data)
        if not more_body:
            if self._left:
                raise RuntimeError("the response is shorter than its content-length")
            self.response_complete = True
            self.body = b""
            self.wake()
            connection.answered()

    def _head(self, status: int, headers: Any) -> bytes:
        parts = [status_line(status), self._connection.connections.default_head]
        length: int | None = None
        is_chunked = closes = False
        for name, value in headers:
            if NOT_IN_VALUE.search(value):
                raise RuntimeError("a header of the response has a value that is none")
            name = field_name(name)
            if name == b"content-length":
                length = int(value)
            elif name == b"transfer-encoding":
                is_chunked = True
                continue
            elif name == b"connection":
                closes = closes or b"close" in value.lower()
                continue
            parts += (name, b": ", value, b"\r\n")
        has_body = status >= 200 and status not in (204, 304) and self.scope.get("method") != "HEAD"
        if not has_body:
            self._left, self._unframed = 0, True
        elif length is not None and not is_chunked:
            self._left = length
        elif self.scope["http_version"] == "1.0":
            self._unframed = True
            closes = True
        else:
            parts.append(b"transfer-encoding: chunked\r\n")
        # One that waits to be told to send the body may send it now, or may not.
        asks = self.awaits_continue and self.more_body
        if closes or asks or not self._connection.may_go_on():
            self.keep_alive = False
        parts.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        return b"".join(parts)

    def _framed(self, body: bytes, *, more_body: bool) -> bytes:
        if self._left is not None:
            if self._unframed:  # There is to be none.
                return b""
            self._left -= len(body)
            if self._left < 0:
                raise RuntimeError("the response is longer than its content-length")
            return body
        if self._unframed:
            return body
        end = b"" if more_body else b"0\r\n\r\n"
        return b"%x\r\n%b\r\n%b" % (len(body), body, end) if body else end


@lru_cache(maxsize=256)
def field_name(name: bytes) -> bytes:
    """The name of a header, in lower case.

    Raises:
        RuntimeError: It is none.
    """
    if not name or _NOT_IN_NAME.search(name):
        raise RuntimeError("a header of the response has a name that is none")
    return name.lower()


def header_lines(headers: Any) -> bytes:
    """The lines of a response's headers.

    Raises:
        RuntimeError: A name or a value is none.
    """
    lines = []
    for name, value in headers:
        if NOT_IN_VALUE.search(value):
            raise RuntimeError("a header of the response has a value that is none")
        lines.append(b"%b: %b\r\n" % (field_name(name), value))
    return b"".join(lines)


@lru_cache(maxsize=64)
def status_line(status: int) -> bytes:
    """The first line of a response."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()

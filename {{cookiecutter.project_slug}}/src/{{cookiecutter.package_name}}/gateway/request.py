"""The messages of an HTTP request: its body (or query), one message at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import grpc
from google.protobuf.message import Message

from .codec import JsonError
from .lifetime import Lifetime, Receive
from .request_framing import JsonArrayFrames, MessageTooLarge, NdjsonFrames
from .request_head import JSON, RequestHead
from .status import CallFailed

Decoder = Callable[[bytes], Message]
"""JSON text to a message; raises `JsonError`."""

_NDJSON = "application/x-ndjson"
_READ_AHEAD_BYTES = 64 * 1024


class RequestMessages(Protocol):
    """Where a call's request messages come from.

    Attributes:
        refusal: Why they cannot be read, whatever they are; None as a rule.
        disconnected: The client has gone before it has sent all of them.
    """

    refusal: CallFailed | None
    disconnected: bool

    async def next(self) -> Message | None:
        """Waits for the next message.

        Returns:
            None after the last one.

        Raises:
            CallFailed: It is no such message (INVALID_ARGUMENT), is too large
                (RESOURCE_EXHAUSTED), or the client has gone (CANCELLED).
        """

    def supervise(self, lifetime: Lifetime) -> None:
        """Tells `lifetime` of a disconnect from now on: the call has begun to wait."""

    def close(self) -> None:
        """Stops receiving, once `supervise` has been called."""


class RefusedRequest:
    """A request that cannot be read: it is of a wrong type, or announces too much."""

    disconnected = False

    def __init__(self, refusal: CallFailed) -> None:
        self.refusal: CallFailed | None = refusal
        self._failure = refusal

    async def next(self) -> Message | None:
        raise self._failure

    def supervise(self, lifetime: Lifetime) -> None:
        """Nobody runs long whose request is refused."""

    def close(self) -> None:
        """Nothing is being received."""


class QueryMessage:
    """One message that the query string alone makes."""

    refusal: CallFailed | None = None
    disconnected = False

    def __init__(self, receive: Receive, decode: Decoder) -> None:
        self._receive = receive
        self._decode: Decoder | None = decode

    async def next(self) -> Message | None:
        decode, self._decode = self._decode, None
        if decode is None:
            return None
        try:
            return decode(b"")
        except JsonError as error:
            raise malformed(error) from None

    def supervise(self, lifetime: Lifetime) -> None:
        lifetime.watch(self._receive)

    def close(self) -> None:
        """Nothing is being received."""


class BodyMessage:
    """One message that is the whole body.

    Attributes:
        receive: Gives the events that it comes in.
        decode: Reads it.
        max_message_bytes: How long it may be.
        received: It has been read.
    """

    refusal: CallFailed | None = None
    disconnected = False
    _lifetime: Lifetime | None = None
    received = False

    def __init__(self, receive: Receive, decode: Decoder, max_message_bytes: int) -> None:
        self.receive = receive
        self.decode = decode
        self.max_message_bytes = max_message_bytes

    async def next(self) -> Message | None:
        if self.received:
            return None
        return self.read(await self.whole(await self.receive()))

    def read(self, body: bytes) -> Message:
        """Reads the message.

        Raises:
            CallFailed: INVALID_ARGUMENT, it is none.
        """
        self.received = True
        if self._lifetime is not None:
            self._lifetime.watch(self.receive)
        try:
            return self.decode(body)
        except JsonError as error:
            raise malformed(error) from None

    async def whole(self, event: Any) -> bytes:
        """Waits for the whole body, of which `event` is the first there is.

        Raises:
            CallFailed: It is too large (RESOURCE_EXHAUSTED), or the client has gone (CANCELLED).
        """
        chunks = []
        size = 0
        while event["type"] != "http.disconnect":
            chunk = event.get("body", b"")
            size += len(chunk)
            if size > self.max_message_bytes:
                raise too_large(self.max_message_bytes)
            chunks.append(chunk)
            if not event.get("more_body", False):
                return b"".join(chunks)
            event = await self.receive()
        self.disconnected = True
        raise CallFailed(grpc.StatusCode.CANCELLED, "The client disconnected")

    def supervise(self, lifetime: Lifetime) -> None:
        if self.received:
            lifetime.watch(self.receive)
        else:
            self._lifetime = lifetime

    def close(self) -> None:
        """Nothing is being received: the body is read at once."""


class BodyMessages:
    """The messages of a streamed body.

    One task receives, the body a little ahead of the handler and then the disconnect, as soon as
    the call waits for something. A slow handler holds up its client, not the process's memory.
    """

    refusal: CallFailed | None = None
    disconnected = False

    def __init__(
        self,
        receive: Receive,
        decode: Decoder,
        frames: NdjsonFrames | JsonArrayFrames,
        max_message_bytes: int,
    ) -> None:
        self._receive = receive
        self._decode = decode
        self._frames = frames
        self._max_message_bytes = max_message_bytes
        self._texts: Iterator[bytes] = iter(())
        self._ended = False
        self._chunks: deque[bytes | None] = deque()
        self._unread = 0
        self._closed = False
        self._arrived, self._room = asyncio.Event(), asyncio.Event()
        self._receiver: asyncio.Task[None] | None = None

    async def next(self) -> Message | None:
        while (text := self._next_text()) is None:
            if self._ended:
                return None
            self._texts = self._split(await self._next_chunk())
        try:
            return self._decode(text)
        except JsonError as error:
            raise malformed(error) from None

    def supervise(self, lifetime: Lifetime) -> None:
        self._receiver = lifetime.loop.create_task(self._receive_all(lifetime))

    def close(self) -> None:
        if self._receiver is not None:
            self._receiver.cancel()
        # A handler in a thread may still wait for what does not come any more.
        self._closed = True
        self._arrived.set()

    def _next_text(self) -> bytes | None:
        try:
            return next(self._texts, None)
        except MessageTooLarge:
            self._ended = True
            raise too_large(self._max_message_bytes) from None
        except JsonError as error:
            self._ended = True
            raise malformed(error) from None

    def _split(self, chunk: bytes | None) -> Iterator[bytes]:
        yield from self._frames.close() if chunk is None else self._frames.feed(chunk)

    async def _next_chunk(self) -> bytes | None:
        while not self._chunks:
            if self._closed:
                raise CallFailed(grpc.StatusCode.CANCELLED, "The call has ended")
            self._arrived.clear()
            await self._arrived.wait()
        chunk = self._chunks.popleft()
        if chunk is None:
            self._ended = True
        else:
            self._unread -= len(chunk)
            self._room.set()
        return chunk

    async def _receive_all(self, lifetime: Lifetime) -> None:
        while (event := await self._receive())["type"] != "http.disconnect":
            body = event.get("body", b"")
            self._chunks.append(body)
            if not event.get("more_body", False):
                self._chunks.append(None)
            self._arrived.set()
            self._unread += len(body)
            while self._unread > _READ_AHEAD_BYTES:
                self._room.clear()
                await self._room.wait()
        lifetime.disconnect()


def frames_for(
    head: RequestHead, *, streaming: bool, max_message_bytes: int
) -> NdjsonFrames | JsonArrayFrames | None:
    """Chooses how the body is split into messages, by its content type.

    Returns:
        None where the body is one message.

    Raises:
        CallFailed: 415, the body is of a type that is not accepted here; 413, a single message
            is announced as too large.
    """
    if head.content_encoding not in ("", "identity"):
        raise _unsupported("send the body without content-encoding")
    if head.content_type in ("", JSON):
        if streaming:
            return JsonArrayFrames(max_message_bytes)
        if head.content_length is not None and head.content_length > max_message_bytes:
            raise too_large(max_message_bytes)
        return None
    if head.content_type == _NDJSON and streaming:
        return NdjsonFrames(max_message_bytes)
    accepted = f"{_NDJSON} or {JSON}" if streaming else JSON
    raise _unsupported(f"content-type must be {accepted} (curl --json sends {JSON})")


def not_lost(receive: Receive) -> Receive:
    """Watches over the body of a request that offers an upgrade.

    Servers that read HTTP with httptools, such as uvicorn, take such an offer for the end of the
    request: they report that its body, which is announced, is empty.
    """
    is_first = True

    async def checked() -> Any:
        nonlocal is_first
        event = await receive()
        if is_first and event["type"] == "http.request":
            is_first = False
            if not (event.get("body") or event.get("more_body", False)):
                raise CallFailed(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    "the server has lost the body: send the request without upgrade",
                )
        return event

    return checked


def too_large(max_message_bytes: int) -> CallFailed:
    """The failure of a message of more than `max_message_bytes`."""
    return CallFailed(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        f"a message may have at most {max_message_bytes} bytes",
        http_status=413,
    )


def _unsupported(detail: str) -> CallFailed:
    return CallFailed(grpc.StatusCode.INVALID_ARGUMENT, detail, http_status=415)


def malformed(error: JsonError) -> CallFailed:
    return CallFailed(grpc.StatusCode.INVALID_ARGUMENT, str(error))

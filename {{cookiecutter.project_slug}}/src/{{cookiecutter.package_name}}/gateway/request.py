"""The messages of an HTTP request: its body (or query) as protobuf, one message at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

import grpc

from .codec import JsonError
from .lifetime import Lifetime, Receive
from .request_framing import JsonArrayFrames, MessageTooLarge, NdjsonFrames
from .request_head import RequestHead
from .status import CallFailed

Decoder = Callable[[bytes], bytes]
"""JSON text to protobuf; raises `JsonError`."""

_JSON = "application/json"
_NDJSON = "application/x-ndjson"
_READ_AHEAD_BYTES = 64 * 1024


class RequestMessages(Protocol):
    """Where a call's request messages come from."""

    async def next(self) -> bytes | None:
        """Waits for the next message, in protobuf.

        Returns:
            None after the last one.

        Raises:
            CallFailed: It is no such message (INVALID_ARGUMENT), is too large
                (RESOURCE_EXHAUSTED), or the client has gone (CANCELLED).
        """

    def close(self) -> None:
        """Stops receiving."""


class RefusedRequest:
    """A request that cannot be read: it is of a wrong type, or announces too much."""

    def __init__(self, failure: CallFailed) -> None:
        self._failure = failure

    async def next(self) -> bytes | None:
        raise self._failure

    def close(self) -> None:
        """Nothing is being received."""


class QueryMessage:
    """One message that the query string alone makes."""

    def __init__(self, receive: Receive, lifetime: Lifetime, decode: Decoder) -> None:
        self._decode: Decoder | None = decode
        lifetime.watch(receive)

    async def next(self) -> bytes | None:
        decode, self._decode = self._decode, None
        return None if decode is None else decoded(decode, b"")

    def close(self) -> None:
        """Nothing is being received."""


class BodyMessage:
    """One message that is the whole body."""

    def __init__(
        self, receive: Receive, lifetime: Lifetime, decode: Decoder, max_message_bytes: int
    ) -> None:
        self._receive = receive
        self._lifetime = lifetime
        self._decode: Decoder | None = decode
        self._max_message_bytes = max_message_bytes

    async def next(self) -> bytes | None:
        decode, self._decode = self._decode, None
        if decode is None:
            return None
        body = await self._read()
        self._lifetime.watch(self._receive)
        return decoded(decode, body)

    def close(self) -> None:
        """Nothing is being received: the body is read at once."""

    async def _read(self) -> bytes:
        chunks = []
        size = 0
        while True:
            event = await self._receive()
            if event["type"] == "http.disconnect":
                self._lifetime.disconnect()
                raise CallFailed(grpc.StatusCode.CANCELLED, "The client disconnected")
            chunk = event.get("body", b"")
            size += len(chunk)
            if size > self._max_message_bytes:
                raise too_large(self._max_message_bytes)
            chunks.append(chunk)
            if not event.get("more_body", False):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class BodyMessages:
    """The messages of a streamed body.

    One task receives, the body a little ahead of the handler and then the disconnect. A slow
    handler holds up its client, not the process's memory.
    """

    def __init__(
        self,
        receive: Receive,
        lifetime: Lifetime,
        decode: Decoder,
        frames: NdjsonFrames | JsonArrayFrames,
        max_message_bytes: int,
    ) -> None:
        self._receive = receive
        self._lifetime = lifetime
        self._decode = decode
        self._frames = frames
        self._max_message_bytes = max_message_bytes
        self._texts: Iterator[bytes] = iter(())
        self._ended = False
        self._chunks: deque[bytes | None] = deque()
        self._unread = 0
        self._closed = False
        self._arrived, self._room = asyncio.Event(), asyncio.Event()
        self._receiver = asyncio.get_running_loop().create_task(self._receive_all())

    async def next(self) -> bytes | None:
        while (text := self._next_text()) is None:
            if self._ended:
                return None
            self._texts = self._split(await self._next_chunk())
        return decoded(self._decode, text)

    def close(self) -> None:
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
            raise CallFailed(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from None

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

    async def _receive_all(self) -> None:
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
        self._lifetime.disconnect()


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
    if head.content_type in ("", _JSON):
        if streaming:
            return JsonArrayFrames(max_message_bytes)
        if head.content_length is not None and head.content_length > max_message_bytes:
            raise too_large(max_message_bytes)
        return None
    if head.content_type == _NDJSON and streaming:
        return NdjsonFrames(max_message_bytes)
    accepted = f"{_NDJSON} or {_JSON}" if streaming else _JSON
    raise _unsupported(f"content-type must be {accepted} (curl --json sends {_JSON})")


def decoded(decode: Decoder, text: bytes) -> bytes:
    """Decodes `text`.

    Raises:
        CallFailed: INVALID_ARGUMENT, with the decoder's word on what is wrong.
    """
    try:
        return decode(text)
    except JsonError as error:
        raise CallFailed(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from None


def too_large(max_message_bytes: int) -> CallFailed:
    """The failure of a message of more than `max_message_bytes`."""
    return CallFailed(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        f"a message may have at most {max_message_bytes} bytes",
        http_status=413,
    )


def _unsupported(detail: str) -> CallFailed:
    return CallFailed(grpc.StatusCode.INVALID_ARGUMENT, detail, http_status=415)

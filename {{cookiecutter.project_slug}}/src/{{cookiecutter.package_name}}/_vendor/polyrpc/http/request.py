"""The messages of an HTTP request: its body (or query), one message at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
from google.protobuf.message import Message

from ..calls.incoming import Incoming, Receive
from ..calls.messages import too_large
from ..protojson import JsonError
from ..rpc.status import CallError
from .framing import Frames, JsonArrayFrames, NdjsonFrames
from .headers import JSON, RequestHeaders
from .raw_body import RawFrames

Decoder = Callable[[bytes], Message]
"""JSON text to a message; raises `JsonError`."""

_NDJSON = "application/x-ndjson"


class BodyMessages:
    """The messages of a streamed body."""

    def __init__(self, decode: Decoder, frames: Frames) -> None:
        self._decode = decode
        self._frames = frames
        self._texts: Iterator[bytes] = iter(())
        self._ended = False

    async def next(self, incoming: Incoming) -> Message | None:
        while (text := self._next_text()) is None:
            if self._ended:
                return None
            chunk = await incoming.next_chunk()
            self._ended = chunk is None
            self._texts = self._split(chunk)
        try:
            return self._decode(text)
        except JsonError as error:
            raise malformed(self._frames.located(error)) from None

    def _next_text(self) -> bytes | None:
        try:
            return next(self._texts, None)
        except CallError:
            self._ended = True
            raise
        except JsonError as error:
            self._ended = True
            raise malformed(error) from None

    def _split(self, chunk: bytes | None) -> Iterator[bytes]:
        yield from self._frames.close() if chunk is None else self._frames.feed(chunk)


def read_message(decode: Decoder, text: bytes) -> Message:
    """Reads one message.

    Raises:
        CallError: INVALID_ARGUMENT, it is none.
    """
    try:
        return decode(text)
    except JsonError as error:
        raise malformed(error) from None


def frames_for(
    head: RequestHeaders, *, streaming: bool, max_message_bytes: int, raw: bool = False
) -> Frames | None:
    """Chooses how the body is split into messages, by its content type unless it is `raw`.

    Returns:
        None where the body is one message.

    Raises:
        CallError: 415, the body is of a type that is not accepted here; 413, a single message
            is announced as too large.
    """
    if head.content_encoding not in ("", "identity"):
        raise unsupported("send the body without content-encoding")
    if raw or head.content_type in ("", JSON):
        if streaming:
            return (RawFrames if raw else JsonArrayFrames)(max_message_bytes)
        if head.content_length is not None and head.content_length > max_message_bytes:
            raise too_large(max_message_bytes)
        return None
    if head.content_type == _NDJSON and streaming:
        return NdjsonFrames(max_message_bytes)
    accepted = f"{_NDJSON} or {JSON}" if streaming else JSON
    raise unsupported(f"content-type must be {accepted} (curl --json sends {JSON})")


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
                raise CallError(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    "the server has lost the body: send the request without upgrade",
                )
        return event

    return checked


def unsupported(detail: str) -> CallError:
    """The failure of a request whose body is of a type that is not accepted (415)."""
    return CallError(grpc.StatusCode.INVALID_ARGUMENT, detail, http_status=415)


def malformed(error: JsonError) -> CallError:
    return CallError(grpc.StatusCode.INVALID_ARGUMENT, str(error))

"""Where the request messages of a call come from; each wire format has classes of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, Protocol

import grpc

from ..rpc.status import CallError
from .incoming import Incoming


def too_large(max_message_bytes: int, place: str = "") -> CallError:
    """The failure of a message of more than `max_message_bytes`, at a place in a stream."""
    detail = f"a message may have at most {max_message_bytes} bytes"
    return CallError(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        f"{place}: {detail}" if place else detail,
        http_status=413,
    )


class RequestMessages(Protocol):
    """The request messages of a call."""

    async def next(self, incoming: Incoming) -> Any:
        """Waits for the next message.

        Args:
            incoming: What it is taken from.

        Returns:
            None after the last one.

        Raises:
            CallError: It is no such message (INVALID_ARGUMENT), is too large
                (RESOURCE_EXHAUSTED), or the client has gone (CANCELLED).
        """


class RefusedRequest:
    """A request that cannot be read: it is of a wrong type, or announces too much."""

    def __init__(self, refusal: CallError) -> None:
        self._refusal = refusal

    async def next(self, _incoming: Incoming) -> NoReturn:
        raise self._refusal


class GivenMessage:
    """One message, whose bytes are there.

    Args:
        decode: Reads it.
        data: Its bytes.
    """

    def __init__(self, decode: Callable[[bytes], Any], data: bytes) -> None:
        self._decode = decode
        self._data: bytes | None = data

    async def next(self, _incoming: Incoming) -> Any:
        data, self._data = self._data, None
        return None if data is None else self._decode(data)


class BodyMessage:
    """One message that is the whole body.

    Args:
        decode: Reads it.
        max_bytes: How long the body may be.
        limit: How long the message may be, as the caller of a longer one is told; None: as long.
    """

    def __init__(
        self, decode: Callable[[bytes], Any], max_bytes: int, limit: int | None = None
    ) -> None:
        self._decode: Callable[[bytes], Any] | None = decode
        self._max_bytes = max_bytes
        self._limit = max_bytes if limit is None else limit

    async def next(self, incoming: Incoming) -> Any:
        decode, self._decode = self._decode, None
        if decode is None:
            return None
        chunks: list[bytes] = []
        size = 0
        while (chunk := await incoming.next_chunk()) is not None:
            size += len(chunk)
            if size > self._max_bytes:
                raise too_large(self._limit)
            chunks.append(chunk)
            if incoming.body_ended and not incoming.chunks:
                break
        return decode(b"".join(chunks))

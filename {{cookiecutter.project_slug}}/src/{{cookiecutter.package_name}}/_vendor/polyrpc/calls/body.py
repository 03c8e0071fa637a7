"""The body of a request as a whole, and of what type it is."""

from __future__ import annotations

from functools import lru_cache

import grpc

from ..rpc.status import CallError
from .incoming import Incoming


async def whole_body(incoming: Incoming, max_bytes: int) -> bytes:
    """Waits for the whole body of a request.

    Raises:
        CallError: It is too large (RESOURCE_EXHAUSTED), or the client has gone (CANCELLED).
    """
    chunks: list[bytes] = []
    size = 0
    while (chunk := await incoming.next_chunk()) is not None:
        size += len(chunk)
        if size > max_bytes:
            raise too_large(max_bytes)
        if incoming.body_ended and not chunks and not incoming.chunks:
            return chunk  # It came in one piece, as is usual.
        chunks.append(chunk)
    return b"".join(chunks)


def too_large(max_message_bytes: int, place: str = "") -> CallError:
    """The failure of a message of more than `max_message_bytes`, at a place in a stream."""
    detail = f"a message may have at most {max_message_bytes} bytes"
    return CallError(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        f"{place}: {detail}" if place else detail,
        http_status=413,
    )


@lru_cache(maxsize=256)
def media_type(content_type: bytes) -> str:
    """Reads a `content-type` header: the type in lower case, without parameters."""
    return content_type.decode("latin-1").partition(";")[0].strip().lower()

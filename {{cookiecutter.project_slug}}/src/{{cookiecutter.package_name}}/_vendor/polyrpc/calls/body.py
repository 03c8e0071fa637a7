"""What is said of the body of a request: how long it may be, and of what type it is."""

from __future__ import annotations

from functools import lru_cache

import grpc

from ..rpc.status import CallError


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

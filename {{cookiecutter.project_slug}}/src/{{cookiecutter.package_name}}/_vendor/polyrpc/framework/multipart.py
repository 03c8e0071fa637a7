"""Multipart bodies (RFC 2046) as the framework's parser can read them.

It looks for a delimiter in one chunk at a time: of one that arrives in two pieces it takes the
first for data, and loses the part that follows. What comes behind the last delimiter it writes
over the beginning of the last file.
"""

from __future__ import annotations

from email.message import Message
from typing import Any


def boundary_of(scope: Any) -> bytes | None:
    """Gives the boundary between the parts of a request's body; None: it has no parts."""
    for name, value in scope["headers"]:
        if name == b"content-type" and value.lstrip().lower().startswith(b"multipart/"):
            header = Message()
            header["content-type"] = value.decode("latin-1")
            boundary = header.get_boundary()
            # Of one that is no ASCII, as its extended form may be, the parser knows nothing.
            return boundary.encode() if boundary and boundary.isascii() else None
    return None


def with_whole_delimiters(receive: Any, boundary: bytes) -> Any:
    """Makes of ASGI's `receive` one whose events cut no delimiter, and end with the last part.

    Args:
        receive: Where the body comes from.
        boundary: What is between its parts.
    """
    delimiter = b"\r\n--" + boundary
    closing = delimiter + b"--"
    kept = b""
    is_closed = False

    async def receive_whole() -> Any:
        nonlocal kept, is_closed
        while True:
            event = await receive()
            if event["type"] != "http.request":
                return event
            more = event.get("more_body", False)
            body, kept = kept + event.get("body", b""), b""
            if is_closed:
                body = b""
            elif (end := body.find(closing)) >= 0:
                is_closed = True
                body = body[:end] + closing + b"\r\n"
            elif more:
                end = _end_of_whole(body, delimiter)
                body, kept = body[:end], body[end:]
            if body or not more:
                return {**event, "body": body}

    return receive_whole


def _end_of_whole(body: bytes, delimiter: bytes) -> int:
    """Where the delimiter begins of which more may come; the length of `body`: none does."""
    # Its line's end, which might as well begin the next one, is a part of it.
    found = body.find(delimiter, max(len(body) - len(delimiter + b"\r\n"), 0))
    if found >= 0:
        return found
    for size in range(min(len(delimiter) - 1, len(body)), 0, -1):
        if body.endswith(delimiter[:size]):
            return len(body) - size
    return len(body)

"""Bodies of forms (RFC 7578), handed on in pieces that the framework's parser can read.

lilya's takes what it is given for the content of a part, unless it holds a delimiter as a whole: of
a delimiter that comes in two pieces it sees neither half, and the form is lost. So none does.
"""

from __future__ import annotations

from typing import Any

from lilya.contrib.multipart.utils import parse_options_header

_LONGEST_ENDING = len(b"--\r\n")


def content_type_of(scope: Any) -> str:
    """Gives the content type of a request, where it is a multipart one; else it is empty."""
    for name, value in scope["headers"]:
        if name == b"content-type" and value.strip().lower().startswith(b"multipart/"):
            return str(value.decode("latin-1"))
    return ""


def with_whole_delimiters(receive: Any, content_type: str) -> Any:
    """Wraps ASGI's `receive`: the body is the same, but no event ends within a delimiter.

    Args:
        receive: ASGI's `receive`.
        content_type: That of the request, with the boundary.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    delimiter = b"\r\n--" + boundary
    longest = len(delimiter) + _LONGEST_ENDING
    held = b""

    async def receive_whole() -> Any:
        nonlocal held
        while True:
            event = await receive()
            if event["type"] != "http.request":
                return event
            held += event.get("body", b"")
            if not event.get("more_body", False):
                end = len(held)
            else:
                end = len(held) - longest
                parted = held.find(delimiter, max(0, end - longest + 1), end + len(delimiter) - 1)
                if parted >= 0:
                    end = parted
                if end <= 0:
                    continue
            body, held = held[:end], held[end:]
            return {**event, "body": body}

    return receive_whole

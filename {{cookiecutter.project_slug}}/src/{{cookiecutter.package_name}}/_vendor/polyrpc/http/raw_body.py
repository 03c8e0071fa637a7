"""`google.api.HttpBody`: messages that are HTTP bodies as they stand, and no JSON.

As a request, or as the field that `body` names, it is the body with its content type; a stream of
them is a body in parts, of any length. As a response it is its `data` with its `content_type`; of
a stream, the `content_type` of the first message counts. Its `extensions` are not for HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from google.protobuf.message import Message

from ..calls.response import Event, Send
from ..protojson import JsonError
from .framing import Frames
from .negotiation import Framing

_OCTET_STREAM = b"application/octet-stream"
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE = re.compile(rf"{_NAME}/{_NAME}(?:[ \t]*;[\t\x20-\x7e]*)?")


class RawDecoder:
    """Makes messages of the bytes of a request.

    Args:
        scope: The ASGI connection scope.
        decode: Makes a message of bytes and of their content type.
    """

    def __init__(self, scope: Mapping[str, Any], decode: Callable[[bytes, str], Message]) -> None:
        self._decode = decode
        values = (value for name, value in scope["headers"] if name == b"content-type")
        self._content_type = next(values, b"").decode("latin-1")

    def __call__(self, body: bytes) -> Message:
        return self._decode(body, self._content_type)


class RawEncoder:
    """Makes bytes of the messages of one response, and gives it their content type.

    Args:
        body_of: The `HttpBody` of a message.
    """

    def __init__(self, body_of: Callable[[Any], Any]) -> None:
        self._body_of = body_of
        self._content_type: bytes | None = None

    def __call__(self, message: Any) -> bytes:
        body = self._body_of(message)
        if self._content_type is None:
            # Whatever else a servicer puts there, such as a line break, can be no header.
            well_formed = _MEDIA_TYPE.fullmatch(body.content_type)
            self._content_type = body.content_type.encode() if well_formed else _OCTET_STREAM
        data: bytes = body.data
        return data

    def typed(self, send: Send) -> Send:
        """Wraps the `send` of the response."""

        async def send_typed(event: Event) -> None:
            if event["type"] == "http.response.start" and event["status"] == 200:
                content_type = (b"content-type", self._content_type or _OCTET_STREAM)
                event["headers"] = [
                    content_type if header[0] == b"content-type" else header
                    for header in event["headers"]
                ]
            await send(event)

        return send_typed


class RawFraming(Framing):
    """The messages of a response stream, one after the other."""

    media_type = _OCTET_STREAM

    def message(self, json: bytes) -> bytes:
        return json


class RawFrames(Frames):
    """Parts of a body as they come, each of no more than so many bytes."""

    def __init__(self, max_message_bytes: int) -> None:
        super().__init__(max_message_bytes)
        self._is_empty = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), self._max_message_bytes):
            self._is_empty = False
            yield data[start : start + self._max_message_bytes]

    def close(self) -> list[bytes]:
        # An empty body is one part: path and query may add to that.
        return [b""] if self._is_empty else []

    def located(self, error: JsonError) -> JsonError:
        return error  # Where raw bytes are parted says nothing to a caller.

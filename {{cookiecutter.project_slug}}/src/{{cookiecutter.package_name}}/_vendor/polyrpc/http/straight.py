"""HTTP/JSON straight on streams of HTTP/2: usual requests, whose body is their one message."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message

from ..calls.http_stream import HttpStream
from ..calls.messages import BodyMessage, RequestMessages
from ..calls.response import Encoder
from ..calls.runner import Scope
from ..calls.straight import answer_straight
from ..calls.stream_call import StreamCall, StreamedRequest
from ..rpc.metadata import Headers
from .request import Decoder, read_message
from .response import WHOLE

if TYPE_CHECKING:
    from .endpoint import Endpoint


class JsonRequest(StreamedRequest):
    """What answers requests straight on their streams that say the same.

    Args:
        endpoint: Answers them.
        decode: JSON text to a request message.
        encode: A response message to JSON text.
        scope: The ASGI connection scope.
    """

    def __init__(self, endpoint: Endpoint, decode: Decoder, encode: Encoder, scope: Scope) -> None:
        super().__init__(scope, ())
        self.max_body_bytes = endpoint.max_message_bytes
        self._endpoint = endpoint
        self._decode = decode
        self._encode = encode
        self._timeout = endpoint.default_timeout

    def __call__(self, stream: HttpStream) -> Coroutine[Any, Any, None]:
        """Follows `BeginAnswer`."""
        call = StreamCall(stream, self, self._encode)
        call.is_whole = True
        if self._timeout is not None:
            call.deadline = monotonic() + self._timeout
        return answer_straight(self._endpoint, call, WHOLE)

    def with_timeout(self, headers: Headers, name: bytes, value: bytes) -> None:  # noqa: ARG002 - with one, no request is usual
        """Follows `BeginAnswer`."""
        return

    def messages(self) -> RequestMessages:
        return BodyMessage(partial(read_message, self._decode), self.max_body_bytes)

    def plain(self, body: bytes) -> Message | None:
        return None if len(body) > self.max_body_bytes else read_message(self._decode, body)

"""gRPC-Web (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md): trailers in the body."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping

from grpc import StatusCode

from ..calls.context import HttpServicerContext
from ..rpc.status import CallError
from .compression import decompression
from .enveloped_response import EnvelopedFormat
from .envelopes import envelope
from .grpc_headers import (
    ACCEPT_ENCODING,
    ENCODING,
    OF_REQUESTS,
    OF_RESPONSES,
    request_head,
    status_trailers,
)
from .request_head import RequestHead

CONTENT_TYPES = {
    "application/grpc-web": "proto",
    "application/grpc-web+proto": "proto",
    "application/grpc-web+json": "json",
}
"""The codec of each content type."""

TEXT_CONTENT_TYPES = {
    "application/grpc-web-text": "proto",
    "application/grpc-web-text+proto": "proto",
}
"""The same for bodies in base64."""

_TRAILERS = 0x80
"""The flag of the envelope that ends the response."""


class GrpcWeb(EnvelopedFormat):
    """gRPC-Web, in binary or as text.

    Args:
        is_text: Whether bodies are base64.
    """

    protocol = "grpc-web"
    malformed = StatusCode.INTERNAL
    encoding, accept_encoding = ENCODING, ACCEPT_ENCODING
    of_requests, of_responses = OF_REQUESTS, OF_RESPONSES

    def __init__(self, *, is_text: bool = False) -> None:
        self.is_text = is_text

    def head(self, headers: Mapping[bytes, bytes]) -> RequestHead:
        whole = headers.get(b"content-encoding")
        if whole is not None and decompression(whole, "content-encoding") is not None:
            raise CallError(
                StatusCode.UNIMPLEMENTED,
                "send the body without content-encoding; grpc-encoding may compress its messages",
            )
        return request_head(headers)

    def end(self, failure: CallError | None, context: HttpServicerContext) -> bytes:
        trailers = status_trailers(failure, context)
        return envelope(b"".join(b"%b: %b\r\n" % header for header in trailers), _TRAILERS)

    def chunk(self, data: bytes) -> bytes:
        return b64encode(data) if self.is_text else data

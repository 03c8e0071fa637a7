"""gRPC-Web (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md): trailers in the body."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import ClassVar

from grpc import StatusCode

from ..calls.context import HttpServicerContext
from ..rpc.status import CallError
from .compression import decompression
from .endpoint import RequestHead
from .envelopes import envelope
from .grpc_headers import GrpcFormat, status_trailers

_TRAILERS = 0x80
"""The flag of the envelope that ends the response."""


class GrpcWeb(GrpcFormat):
    """gRPC-Web, in binary."""

    protocol = "grpc-web"
    content_types: ClassVar[Mapping[str, str]] = {
        "application/grpc-web": "proto",
        "application/grpc-web+proto": "proto",
        "application/grpc-web+json": "json",
    }

    def head(self, headers: Mapping[bytes, bytes]) -> RequestHead:
        whole = headers.get(b"content-encoding")
        if whole is not None and decompression(whole, "content-encoding") is not None:
            raise CallError(
                StatusCode.UNIMPLEMENTED,
                "send the body without content-encoding; grpc-encoding may compress its messages",
            )
        return super().head(headers)

    def end(self, failure: CallError | None, context: HttpServicerContext) -> bytes:
        trailers = status_trailers(failure, context)
        return envelope(b"".join(b"%b: %b\r\n" % header for header in trailers), _TRAILERS)


class GrpcWebText(GrpcWeb):
    """gRPC-Web whose bodies are base64."""

    content_types: ClassVar[Mapping[str, str]] = {
        "application/grpc-web-text": "proto",
        "application/grpc-web-text+proto": "proto",
    }
    is_text = True

    def chunk(self, data: bytes) -> bytes:
        return b64encode(data)

"""gRPC (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), over HTTP/2 alone."""

from __future__ import annotations

from collections.abc import Mapping

from grpc import StatusCode

from ..calls.context import HttpServicerContext
from ..calls.runner import Scope
from ..rpc.status import CallError
from .enveloped_response import EnvelopedFormat
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
    "application/grpc": "proto",
    "application/grpc+proto": "proto",
    "application/grpc+json": "json",
}
"""The codec of each content type."""

_TRAILERS = "http.response.trailers"
"""ASGI's extension for trailers."""


class Grpc(EnvelopedFormat):
    """gRPC: the status is in trailers, which ASGI servers have for HTTP/2."""

    protocol = "grpc"
    malformed = StatusCode.INTERNAL
    encoding, accept_encoding = ENCODING, ACCEPT_ENCODING
    of_requests, of_responses = OF_REQUESTS, OF_RESPONSES
    has_trailers = True

    def refusal(self, scope: Scope) -> CallError | None:
        version = scope["http_version"]
        if version.startswith("1"):
            return _unanswerable(f"gRPC needs HTTP/2, and this is HTTP/{version}")
        if _TRAILERS not in (scope.get("extensions") or ()):
            return _unanswerable("gRPC needs trailers, which this server does not send")
        return None

    def head(self, headers: Mapping[bytes, bytes]) -> RequestHead:
        return request_head(headers)

    def end(self, failure: CallError | None, context: HttpServicerContext) -> bytes:  # noqa: ARG002 - trailers tell
        return b""

    def trailers(
        self, failure: CallError | None, context: HttpServicerContext
    ) -> list[tuple[bytes, bytes]]:
        return status_trailers(failure, context)


def _unanswerable(why: str) -> CallError:
    return CallError(
        StatusCode.INVALID_ARGUMENT,
        f"{why}; gRPC-Web and Connect do without (application/grpc-web, application/proto)",
        http_status=415,
    )

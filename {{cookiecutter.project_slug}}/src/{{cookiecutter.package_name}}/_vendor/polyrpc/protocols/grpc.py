"""gRPC (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), over HTTP/2 alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from grpc import StatusCode

from ..calls.context import HttpServicerContext
from ..calls.http_stream import TRAILERS
from ..calls.runner import Scope
from ..rpc.status import CallError
from .grpc_headers import GrpcFormat, status_trailers


class Grpc(GrpcFormat):
    """gRPC: the status is in trailers, which ASGI servers have for HTTP/2."""

    protocol = "grpc"
    content_types: ClassVar[Mapping[str, str]] = {
        "application/grpc": "proto",
        "application/grpc+proto": "proto",
        "application/grpc+json": "json",
    }
    has_trailers = True

    def refusal(self, scope: Scope) -> CallError | None:
        version = scope["http_version"]
        if version.startswith("1"):
            return _unanswerable(f"gRPC needs HTTP/2, and this is HTTP/{version}")
        if TRAILERS not in (scope.get("extensions") or ()):
            return _unanswerable("gRPC needs trailers, which this server does not send")
        return None

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

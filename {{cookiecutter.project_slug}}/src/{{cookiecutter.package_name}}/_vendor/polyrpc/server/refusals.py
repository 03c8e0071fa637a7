"""The answers of the HTTP server itself, which need no application."""

from __future__ import annotations

from typing import NamedTuple

from grpc import StatusCode

from ..origins import Headers
from ..rpc import errors
from ..rpc.status import error_body


class Refusal(NamedTuple):
    """An answer in the form of the gateway's errors."""

    status: int
    code: StatusCode
    detail: str

    def response(self, allowed: Headers) -> tuple[Headers, bytes]:
        """Makes headers and body of the response; the connection ends, where that can be said.

        Args:
            allowed: What pages of other origins are told, so that they may read it.
        """
        body = error_body(self.code, self.detail)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        return headers + allowed, body


class Refused(Exception):  # noqa: N818 - named after what happened, as HTTP names its answers
    """A request that is not to be served; `args` is the one `Refusal`."""

    @property
    def refusal(self) -> Refusal:
        """What its client is told."""
        refusal: Refusal = self.args[0]
        return refusal


MALFORMED = Refusal(400, StatusCode.INVALID_ARGUMENT, "this is no HTTP/1.1 request")
HOST = Refusal(400, StatusCode.INVALID_ARGUMENT, "there must be one host header, and a host in it")
NOT_TEXT = Refusal(400, StatusCode.INVALID_ARGUMENT, "headers must be UTF-8")
TOO_SLOW = Refusal(408, StatusCode.DEADLINE_EXCEEDED, "the request took too long to arrive")
NOT_ACCEPTED = Refusal(403, StatusCode.PERMISSION_DENIED, "the WebSocket was not accepted")
NO_BODY = Refusal(413, StatusCode.RESOURCE_EXHAUSTED, "a GET or HEAD request has no large body")
TOO_LARGE = Refusal(
    431, StatusCode.RESOURCE_EXHAUSTED, "the request's headers or trailers are too large"
)
FAILED = Refusal(500, StatusCode.UNKNOWN, "Internal Server Error")
METHOD = Refusal(501, StatusCode.UNIMPLEMENTED, "this method is not known here")
NO_TUNNEL = Refusal(501, StatusCode.UNIMPLEMENTED, "this is no proxy: there is no CONNECT")
CODING = Refusal(
    501, StatusCode.UNIMPLEMENTED, "transfer-encoding must be chunked, and nothing else"
)
STOPPING = Refusal(503, StatusCode.UNAVAILABLE, errors.STOPPING)

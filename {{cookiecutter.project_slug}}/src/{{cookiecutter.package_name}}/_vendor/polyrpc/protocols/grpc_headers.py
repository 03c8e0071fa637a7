"""What gRPC and gRPC-Web say in headers and trailers: time-outs, compression and statuses.

Follows PROTOCOL-HTTP2.md of gRPC.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

from ..calls.context import HttpServicerContext
from ..calls.timeouts import grpc_timeout
from ..rpc.metadata import response_headers
from ..rpc.status import CallError
from .compression import GZIP, accepts_gzip, decompression
from .request_head import Compressing, RequestHead

ENCODING, ACCEPT_ENCODING = b"grpc-encoding", b"grpc-accept-encoding"

OF_REQUESTS = frozenset((ENCODING, ACCEPT_ENCODING, b"grpc-timeout", b"grpc-message-type"))
"""Headers of requests that are the protocol's own."""

OF_RESPONSES = frozenset((b"grpc-status", b"grpc-message", ENCODING, ACCEPT_ENCODING))
"""Headers and trailers of responses that are the protocol's own; no servicer may set them."""

_PRINTABLE = " !\"#$&'()*+,/:;<=>?@[\\]^`{|}"
_OK = (b"grpc-status", b"0")


def request_head(headers: Mapping[bytes, bytes]) -> RequestHead:
    """Reads the headers of a request.

    Whoever has compressed its request gets compressed responses: clients of gRPC offer it always.

    Raises:
        CallError: INVALID_ARGUMENT, the time-out is malformed; UNIMPLEMENTED, the compression is
            not known.
    """
    timeout = headers.get(b"grpc-timeout")
    return RequestHead(
        None if timeout is None else grpc_timeout(timeout),
        _compressing(headers.get(ENCODING), headers.get(ACCEPT_ENCODING)),
    )


@lru_cache(maxsize=256)
def _compressing(encoding: bytes | None, accepted: bytes | None) -> Compressing:
    decompress = decompression(encoding, "grpc-encoding")
    return Compressing(decompress, accepts_gzip(accepted, encoding), encoding == GZIP)


def status_trailers(
    failure: CallError | None, context: HttpServicerContext
) -> list[tuple[bytes, bytes]]:
    """Writes the status of a call and its trailing metadata.

    Args:
        failure: What it has ended with; None: OK.
        context: Its context.
    """
    trailers = response_headers(context.trailing, reserved=OF_RESPONSES)
    if failure is None:
        return [_OK, *trailers]
    number, _ = failure.code.value
    status = [(b"grpc-status", b"%d" % number)]
    if failure.detail:
        status.append((b"grpc-message", percent_encoded(failure.detail)))
    return status + trailers


def percent_encoded(text: str) -> bytes:
    """Writes a status message: what is not printable ASCII as `%` and two digits for each byte."""
    return quote(text, safe=_PRINTABLE, errors="replace").encode("ascii")

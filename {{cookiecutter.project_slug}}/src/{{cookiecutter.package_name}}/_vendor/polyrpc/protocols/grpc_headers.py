"""What gRPC and gRPC-Web say in headers and trailers: time-outs, compression and statuses.

Follows PROTOCOL-HTTP2.md of gRPC.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

from grpc import StatusCode

from ..calls.context import HttpServicerContext
from ..calls.timeouts import grpc_timeout
from ..rpc.metadata import response_headers
from ..rpc.status import CallError
from .compression import GZIP, Compressing, accepts_gzip, decompression
from .endpoint import RequestHead
from .enveloped_response import EnvelopedFormat

_ENCODING, _ACCEPT_ENCODING = b"grpc-encoding", b"grpc-accept-encoding"
_PRINTABLE = " !\"#$&'()*+,/:;<=>?@[\\]^`{|}"
_OK = (b"grpc-status", b"0")


class GrpcFormat(EnvelopedFormat):
    """What gRPC and gRPC-Web have in common."""

    malformed = StatusCode.INTERNAL
    encoding, accept_encoding = _ENCODING, _ACCEPT_ENCODING
    of_requests = frozenset((_ENCODING, _ACCEPT_ENCODING, b"grpc-timeout", b"grpc-message-type"))
    of_responses = frozenset((b"grpc-status", b"grpc-message", _ENCODING, _ACCEPT_ENCODING))

    def head(self, headers: Mapping[bytes, bytes]) -> RequestHead:
        """Reads the headers of a request.

        Whoever has compressed its request gets compressed responses: clients of gRPC offer it
        always.

        Raises:
            CallError: INVALID_ARGUMENT, the time-out is malformed; UNIMPLEMENTED, the compression
                is not known.
        """
        timeout = headers.get(b"grpc-timeout")
        return RequestHead(
            None if timeout is None else grpc_timeout(timeout),
            _compressing(headers.get(_ENCODING), headers.get(_ACCEPT_ENCODING)),
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
    trailers = response_headers(context.trailing, reserved=GrpcFormat.of_responses)
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

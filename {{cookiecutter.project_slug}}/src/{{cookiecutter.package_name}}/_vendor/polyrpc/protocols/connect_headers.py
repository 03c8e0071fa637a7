"""What Connect's unary calls and streams have in common: headers, errors, metadata.

Follows https://connectrpc.com/docs/protocol.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from ..calls.timeouts import connect_timeout
from ..rpc.metadata import Metadata
from ..rpc.status import CallError, any_to_json
from .compression import Compressing, accepts_gzip, decompression
from .endpoint import RequestHead

RICH_STATUS = "grpc-status-details-bin"
"""The trailing metadata in which servicers put the details of errors; Connect has a place of its
own for them."""

OF_REQUESTS = frozenset(
    (
        b"connect-protocol-version",
        b"connect-timeout-ms",
        b"connect-content-encoding",
        b"connect-accept-encoding",
    )
)
"""Headers of requests that are the protocol's own."""

OF_RESPONSES = frozenset((b"connect-content-encoding", b"connect-accept-encoding", b"trailer"))
"""Headers of responses that are the protocol's own; no servicer may set them."""


def request_head(
    headers: Mapping[bytes, bytes], encoding: bytes, accept_encoding: bytes
) -> RequestHead:
    """Reads the headers of a request; whoever accepts compressed responses gets them.

    Args:
        headers: The headers.
        encoding: The one that names the compression of the request.
        accept_encoding: The one that lists those of the response.

    Raises:
        CallError: INVALID_ARGUMENT, the version of the protocol is none or the time-out malformed;
            UNIMPLEMENTED, the compression is not known.
    """
    check_version(headers.get(b"connect-protocol-version"), b"1", "connect-protocol-version")
    timeout = headers.get(b"connect-timeout-ms")
    return RequestHead(
        None if timeout is None else connect_timeout(timeout),
        _compressing(headers.get(encoding), headers.get(accept_encoding), encoding),
    )


@lru_cache(maxsize=256)
def _compressing(sent: bytes | None, accepted: bytes | None, encoding: bytes) -> Compressing:
    accepts = accepts_gzip(accepted, sent)
    return Compressing(decompression(sent, encoding.decode()), accepts, accepts)


def check_version(version: bytes | None, known: bytes, name: str) -> None:
    """Refuses another version of the protocol; a request need not name any.

    Raises:
        CallError: INVALID_ARGUMENT.
    """
    if version is not None and version != known:
        raise CallError(grpc.StatusCode.INVALID_ARGUMENT, f"{name} must be {known.decode()}")


def error_of(failure: CallError, trailing: Metadata) -> dict[str, Any]:
    """Makes the `Error` of a call that has failed, with the details in its trailing metadata."""
    is_cancelled = failure.code is grpc.StatusCode.CANCELLED
    error: dict[str, Any] = {"code": "canceled" if is_cancelled else failure.code.name.lower()}
    if failure.detail:
        error["message"] = failure.detail
    details = _details(trailing)
    if details:
        error["details"] = details
    return error


def metadata_of(trailing: Metadata) -> Metadata:
    """What of the trailing metadata is not in the `Error`."""
    return tuple(entry for entry in trailing if entry.key != RICH_STATUS)


def text_of(value: str | bytes) -> str:
    """Writes a value of metadata: bytes as base64 without padding."""
    return value if isinstance(value, str) else _base64(value)


def _details(trailing: Metadata) -> list[dict[str, Any]]:
    for key, value in trailing:
        if key == RICH_STATUS and isinstance(value, bytes):
            try:
                status = status_pb2.Status.FromString(value)
            except DecodeError:
                return []
            return [_detail(detail) for detail in status.details]
    return []


def _detail(detail: Any) -> dict[str, Any]:
    described = {
        "type": detail.type_url.rpartition("/")[2],
        "value": _base64(detail.value),
    }
    debug = any_to_json(detail)
    debug.pop("@type", None)
    return {**described, "debug": debug} if debug else described


def _base64(data: bytes) -> str:
    return base64.b64encode(data).rstrip(b"=").decode("ascii")

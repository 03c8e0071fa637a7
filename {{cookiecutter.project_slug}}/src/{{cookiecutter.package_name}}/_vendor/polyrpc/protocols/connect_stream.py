"""Connect's streams (https://connectrpc.com/docs/protocol): envelopes, the last of which tells."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from grpc import StatusCode

from ..calls.context import HttpServicerContext
from ..rpc.status import CallError
from .connect_headers import (
    OF_REQUESTS,
    OF_RESPONSES,
    error_of,
    metadata_of,
    request_head,
    text_of,
)
from .endpoint import RequestHead
from .enveloped_response import EnvelopedFormat
from .envelopes import envelope

_END_STREAM = 0x02
"""The flag of the envelope that ends the response."""


class ConnectStream(EnvelopedFormat):
    """Streams of Connect: always 200; the last envelope has the error and trailing metadata."""

    protocol = "connect"
    content_types: ClassVar[Mapping[str, str]] = {
        "application/connect+proto": "proto",
        "application/connect+json": "json",
    }
    malformed = StatusCode.INVALID_ARGUMENT
    encoding, accept_encoding = b"connect-content-encoding", b"connect-accept-encoding"
    of_requests, of_responses = OF_REQUESTS, OF_RESPONSES

    def head(self, headers: Mapping[bytes, bytes]) -> RequestHead:
        return request_head(headers, self.encoding, self.accept_encoding)

    def end(self, failure: CallError | None, context: HttpServicerContext) -> bytes:
        last: dict[str, Any] = {}
        if failure is not None:
            last["error"] = error_of(failure, context.trailing)
        metadata: dict[str, list[str]] = {}
        for key, value in metadata_of(context.trailing):
            metadata.setdefault(key, []).append(text_of(value))
        if metadata:
            last["metadata"] = metadata
        return envelope(json.dumps(last, separators=(",", ":")).encode(), _END_STREAM)

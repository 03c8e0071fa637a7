"""The responses of Connect's unary calls (https://connectrpc.com/docs/protocol)."""

from __future__ import annotations

import json

import grpc

from ..calls.call import Call
from ..calls.refusals import challenge
from ..calls.response import Event
from ..calls.straight import send_whole
from ..calls.stream_call import StreamCall
from ..rpc.metadata import response_headers
from ..rpc.status import HTTP_STATUS, CallError
from .compression import GZIP, KNOWN, compressed
from .connect_headers import OF_RESPONSES, error_of, metadata_of

_ACCEPT_ENCODING = b"accept-encoding"
_ERROR_TYPE = (b"content-type", b"application/json")
_VARIES = (b"vary", _ACCEPT_ENCODING)
_NOT_FOUND = 404


class ConnectResponse:
    """How the calls of one RPC are answered whose requests ask for the same.

    Args:
        content_type: Of messages.
        accepts_gzip: They may be compressed, and so they are, unless the servicer says otherwise.
        varies: What was asked for is to be told to caches.
    """

    def __init__(self, content_type: bytes, *, accepts_gzip: bool, varies: bool = False) -> None:
        self._content_type = (b"content-type", content_type)
        self._accepts_gzip = accepts_gzip
        self._varies = varies

    def events(self, call: Call, outcome: CallError | None) -> tuple[Event, Event]:
        """Follows `LastEvents`. The first of the headers is the content type."""
        status, content_type, body = 200, self._content_type, call.body or b""
        if outcome is not None:
            # Of its own table, whatever the failure would be in HTTP/JSON.
            status, content_type = HTTP_STATUS[outcome.code], _ERROR_TYPE
            if outcome.http_status == _NOT_FOUND:  # of a path that there is not
                status = _NOT_FOUND
            error = error_of(outcome, call.trailing)
            body = json.dumps(error, separators=(",", ":")).encode()
        call.headers_sent = True
        headers = [content_type, *call.headers]
        if (
            self._accepts_gzip
            and body
            and not call.next_uncompressed
            and call.compression in (None, grpc.Compression.Gzip)
        ):
            body = compressed(body)
            headers.append((b"content-encoding", GZIP))
        headers.append((b"content-length", b"%d" % len(body)))
        if self._varies:
            headers.append(_VARIES)
        if outcome is not None and outcome.code is grpc.StatusCode.UNIMPLEMENTED:
            headers.append((_ACCEPT_ENCODING, KNOWN))
        if call.initial_metadata:
            headers += response_headers(call.initial_metadata, reserved=OF_RESPONSES)
        if call.trailing:
            headers += response_headers(metadata_of(call.trailing), b"trailer-")
        if status == 401:
            challenge(headers)
        return (
            {"type": "http.response.start", "status": status, "headers": headers},
            {"type": "http.response.body", "body": body},
        )

    async def settle(self, call: StreamCall, outcome: CallError | None) -> None:
        """Sends all of it straight to the stream of a call that has ended."""
        await send_whole(call.http, *self.events(call, outcome))

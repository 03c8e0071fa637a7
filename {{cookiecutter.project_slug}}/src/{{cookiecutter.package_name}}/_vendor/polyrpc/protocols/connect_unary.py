"""Connect's unary calls (https://connectrpc.com/docs/protocol): a message is the body as it is."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Coroutine, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

import grpc

from ..calls.body import too_large, whole_body
from ..calls.call import Call
from ..calls.incoming import Incoming, Receive
from ..calls.messages import RequestMessages
from ..calls.plain_call import PlainCall
from ..calls.refusals import challenge
from ..calls.response import Event, Send
from ..calls.runner import CallRunner, Scope
from ..calls.stream_call import HttpStream, StreamCall
from ..rpc.metadata import Headers, response_headers
from ..rpc.status import HTTP_STATUS, CallError
from .codecs import Codec, Decoder
from .compression import (
    GZIP,
    KNOWN,
    Decompress,
    accepts_gzip,
    compressed,
    decompression,
    most_compressed,
)
from .connect_headers import (
    OF_REQUESTS,
    OF_RESPONSES,
    check_version,
    error_of,
    metadata_of,
    request_head,
)
from .endpoint import BeginAnswer, WireEndpoint, check_metadata
from .request_head import UNREADABLE, RequestHead
from .straight_answer import StraightRequest, answer_straight

CONTENT_TYPES = {"application/proto": "proto", "application/json": "json"}
"""The codec of each content type."""

_ENCODING, _ACCEPT_ENCODING = b"content-encoding", b"accept-encoding"
_VERSION = b"v1"
_NOT_FOUND = 404
_VARIES = (b"vary", _ACCEPT_ENCODING)


class _Body:
    """The message that is the whole body."""

    def __init__(
        self, decode: Decoder, max_message_bytes: int, decompress: Decompress | None
    ) -> None:
        self._decode = decode
        self._max_message_bytes = max_message_bytes
        self._decompress = decompress
        self._is_given = False

    async def next(self, incoming: Incoming) -> Any:
        if self._is_given:
            return None
        self._is_given = True
        if self._decompress is None:
            return self._decode(await whole_body(incoming, self._max_message_bytes))
        try:
            data = await whole_body(incoming, most_compressed(self._max_message_bytes))
        except CallError as failure:
            if failure.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise too_large(self._max_message_bytes) from None
            raise
        return self._decode(self._decompress(data, self._max_message_bytes) if data else data)


class _QueryMessage:
    """The message that is in the query."""

    def __init__(self, decode: Decoder, data: bytes) -> None:
        self._decode = decode
        self._data: bytes | None = data

    async def next(self, _incoming: Incoming) -> Any:
        data, self._data = self._data, None
        return None if data is None else self._decode(data)


class _UnaryCall(PlainCall):
    """A call by ASGI."""

    @cached_property
    def messages(self) -> RequestMessages:  # type: ignore[override]  # it is set, or else this
        """Where messages come from. Plain calls need not have it."""
        return _Body(self.decode, self.max_body_bytes, None)


class _Response:
    """The response of a call."""

    def __init__(self, content_type: bytes, head: RequestHead, *, varies: bool) -> None:
        self._content_type = content_type
        self._wish = head.compressing
        self._varies = varies

    def events(self, call: Call, outcome: CallError | None) -> Sequence[Event]:
        """What is to be sent when a call has ended."""
        status, headers, body = self.parts(call, outcome)
        return (
            {"type": "http.response.start", "status": status, "headers": headers},
            {"type": "http.response.body", "body": body},
        )

    def parts(
        self, call: Call, outcome: CallError | None
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Status, headers and body of the response of a call that has ended."""
        status, content_type, body = 200, self._content_type, call.body or b""
        if outcome is not None:
            # Of its own table, whatever the failure would be in HTTP/JSON.
            status, content_type = HTTP_STATUS[outcome.code], b"application/json"
            if outcome.http_status == _NOT_FOUND:  # of a path that there is not
                status = _NOT_FOUND
            error = error_of(outcome, call.trailing)
            body = json.dumps(error, separators=(",", ":")).encode()
        call.headers_sent = True
        headers = [(b"content-type", content_type), *call.headers]
        if self._wish.accepts_gzip and body and self._compresses(call):
            body = compressed(body)
            headers.append((_ENCODING, GZIP))
        headers.append((b"content-length", b"%d" % len(body)))
        if self._varies:
            headers.append(_VARIES)
        if outcome is not None and outcome.code is grpc.StatusCode.UNIMPLEMENTED:
            headers.append((_ACCEPT_ENCODING, KNOWN))
        if call.initial_metadata:
            headers += [
                header
                for header in response_headers(call.initial_metadata)
                if header[0] not in OF_RESPONSES
            ]
        if call.trailing:
            headers += response_headers(metadata_of(call.trailing), b"trailer-")
        if status == 401:
            challenge(headers)
        return status, headers, body

    def _compresses(self, call: Call) -> bool:
        if call.next_uncompressed:
            return False
        return call.compression is None or call.compression == grpc.Compression.Gzip


class ConnectUnary(WireEndpoint):
    """Answers the unary calls of one RPC, by one codec.

    Attributes:
        content_type: Of the responses.
    """

    def __init__(
        self,
        runner: CallRunner,
        codec: Codec,
        max_message_bytes: int,
        default_timeout: float | None,
    ) -> None:
        super().__init__(runner, codec, max_message_bytes, default_timeout)
        self.content_type = f"application/{codec.name}".encode()
        self.max_body_bytes = most_compressed(max_message_bytes)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Follows `WireEndpoint.answer`; the message is the body."""
        call = self._call(scope, receive)
        head, failure = self.read(scope["headers"])
        if failure is not None:
            call.refuse(failure)
        else:
            call.is_whole = True
            if head.compressing.decompress is None:
                call.is_plain, call.max_body_bytes = True, self.max_message_bytes
            else:
                call.messages = self.messages(head)
        await self._end(call, head, send, varies=False)

    async def answer_query(self, query: Query, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a `GET`, whose message is in its query."""
        call = self._call(scope, receive)
        call.keeps_body = False
        head = UNREADABLE
        try:
            check_metadata(scope["headers"])
            found = dict(scope["headers"])
            head = request_head(found, b"", b"")
            data = query.message(self.max_message_bytes)
            accepts = accepts_gzip(found.get(_ACCEPT_ENCODING), query.compression)
            head = RequestHead(head.timeout, head.compressing._replace(accepts_gzip=accepts))
        except CallError as failure:
            call.refuse(failure)
        else:
            call.messages = _QueryMessage(self.codec.decode, data)
        await self._end(call, head, send, varies=True)

    def straight(self, scope: Scope) -> BeginAnswer | None:
        """Follows `WireEndpoint.straight`."""
        head, failure = self.read(scope["headers"])
        return None if failure is not None else ConnectRequest(self, scope, OF_REQUESTS, head)

    def read(self, headers: Headers) -> tuple[RequestHead, CallError | None]:
        """Reads the headers of a request, and says why it cannot be a call."""
        head = UNREADABLE
        try:
            check_metadata(headers)
            found = dict(headers)
            head = request_head(found, _ENCODING, _ACCEPT_ENCODING)
            length = found.get(b"content-length", b"")
            if length.isdigit() and int(length[-20:]) > self.max_body_bytes:
                raise too_large(self.max_message_bytes)
        except CallError as failure:
            return head, failure
        return head, None

    def messages(self, head: RequestHead) -> RequestMessages:
        """Makes what reads the message of a request."""
        return _Body(self.codec.decode, self.max_message_bytes, head.compressing.decompress)

    def _call(self, scope: Scope, receive: Receive) -> _UnaryCall:
        codec = self.codec
        call = _UnaryCall(scope, receive, codec.decode, codec.encode, self.max_body_bytes)
        call.reserved = OF_REQUESTS
        return call

    async def _end(self, call: Call, head: RequestHead, send: Send, *, varies: bool) -> None:
        self._limit_time(call, head.timeout)
        await self._settle(call, send, _Response(self.content_type, head, varies=varies))


class ConnectRequest(StraightRequest[ConnectUnary]):
    """What answers requests straight on their streams that say the same."""

    def __call__(self, stream: HttpStream) -> Coroutine[Any, Any, None]:
        """Follows `BeginAnswer`."""
        endpoint, call = self._endpoint, self._begin(stream)
        call.is_whole = True
        response = _StraightResponse(endpoint.content_type, self._head, varies=False)
        return answer_straight(endpoint.runner, call, response)

    def plain(self, body: bytes) -> Any:
        endpoint = self._endpoint
        if self._head.compressing.decompress is not None:
            return None
        return None if len(body) > endpoint.max_message_bytes else endpoint.codec.decode(body)


class _StraightResponse(_Response):
    """One that goes straight to a stream."""

    async def settle(self, call: StreamCall, outcome: CallError | None) -> None:
        """Sends all of it."""
        status, headers, body = self.parts(call, outcome)
        stream = call.http
        if status != 200 or not stream.send_whole((), headers, body, None):
            stream.send_headers(status, headers)
            await stream.send(body, end=True)


class Query:
    """The query of a `GET`.

    Args:
        query: As ASGI has it.

    Attributes:
        encoding: The name of the codec; empty: it names none.
        compression: The name of the compression; None: it names none.
    """

    def __init__(self, query: bytes) -> None:
        try:
            pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
        except ValueError:  # More parameters than the reader takes.
            pairs = []
        self._found = {name: value.encode("latin-1") for name, value in pairs}
        self.encoding = self._found.get("encoding", b"").decode("latin-1")
        self.compression = self._found.get("compression")

    def message(self, max_message_bytes: int) -> bytes:
        """Reads the message.

        Raises:
            CallError: INVALID_ARGUMENT, there is none, or it is not what the other parameters say;
                RESOURCE_EXHAUSTED, it is too long; UNIMPLEMENTED, the compression is not known.
        """
        check_version(self._found.get("connect"), _VERSION, "connect")
        decompress = decompression(self.compression, "compression")
        data = self._found.get("message")
        if data is None:
            raise CallError(grpc.StatusCode.INVALID_ARGUMENT, "the query has no message")
        if self._found.get("base64") == b"1":
            data = _from_base64(data)
        if decompress is not None and data:
            return decompress(data, max_message_bytes)
        if len(data) > max_message_bytes:
            raise too_large(max_message_bytes)
        return data


def _from_base64(text: bytes) -> bytes:
    unpadded = text.rstrip(b"=")
    # The reader skips what is none of its letters; and "+" and "/" are those of the other alphabet.
    if not unpadded.replace(b"-", b"a").replace(b"_", b"a").isalnum() and unpadded:
        raise _malformed()
    try:
        return urlsafe_b64decode(unpadded + b"=" * (-len(unpadded) % 4))
    except ValueError:
        raise _malformed() from None


def _malformed() -> CallError:
    return CallError(grpc.StatusCode.INVALID_ARGUMENT, "message must be URL-safe base64")

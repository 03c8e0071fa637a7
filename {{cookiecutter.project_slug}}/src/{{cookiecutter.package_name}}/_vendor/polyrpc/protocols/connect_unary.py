"""Connect's unary calls (https://connectrpc.com/docs/protocol): a message is the body as it is."""

from __future__ import annotations

from collections.abc import Coroutine
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl

import grpc

from ..calls.call import Call
from ..calls.http_stream import BeginAnswer, HttpStream
from ..calls.incoming import Receive
from ..calls.messages import BodyMessage, GivenMessage, RequestMessages, too_large
from ..calls.metadata import check_binary, decode_base64
from ..calls.response import Answering, Send
from ..calls.runner import CallRunner, Scope
from ..calls.straight import answer_straight
from ..rpc.metadata import Headers
from ..rpc.status import CallError
from .codecs import Codec
from .compression import accepts_gzip, decompression, most_compressed
from .connect_headers import OF_REQUESTS, check_version, request_head
from .connect_response import ConnectResponse
from .endpoint import UNREADABLE, RequestHead, WireEndpoint, check_metadata
from .straight_request import StraightRequest

CONTENT_TYPES = {"application/proto": "proto", "application/json": "json"}
"""The codec of each content type."""

_ENCODING, _ACCEPT_ENCODING = b"content-encoding", b"accept-encoding"
_VERSION = b"v1"
_URL_SAFE = bytes.maketrans(b"-_+/", b"+/-_")
"""Makes one alphabet of base64 of the other, and of the other's letters none."""

_OF_THE_CALL = frozenset(
    (_ENCODING, _ACCEPT_ENCODING, b"connect-protocol-version", b"connect-timeout-ms")
)
# What most requests have besides.
_OF_NO_MATTER = frozenset((b"host", b"user-agent", b"accept", b"content-type", b"connection"))


class _UnaryCall(Call):
    reserved = OF_REQUESTS


class ConnectUnary(WireEndpoint):
    """Answers the unary calls of one RPC, by one codec.

    Attributes:
        responses: How calls are answered: without compression, and with it.
    """

    def __init__(
        self,
        runner: CallRunner,
        codec: Codec,
        max_message_bytes: int,
        default_timeout: float | None,
    ) -> None:
        super().__init__(runner, codec, max_message_bytes, default_timeout)
        self.max_body_bytes = most_compressed(max_message_bytes)
        self._content_type = f"application/{codec.name}".encode()
        self.responses = [
            ConnectResponse(self._content_type, accepts_gzip=accepts) for accepts in (False, True)
        ]
        self._unquestioned_digits = len(str(self.max_body_bytes)) - 1

    def answer(self, scope: Scope, receive: Receive, send: Send) -> Answering:
        codec = self.codec
        call = _UnaryCall(scope, receive, codec.decode, codec.encode, self.max_message_bytes)
        head, failure = self.read(scope["headers"])
        if failure is not None:
            call.refuse(failure)
        else:
            call.is_whole = True
            if head.compressing.decompress is None:
                call.is_plain = True
            else:
                call.max_body_bytes = self.max_body_bytes
                call.messages = self.messages(head)
        timeout = self.default_timeout if head.timeout is None else head.timeout
        if timeout is not None:
            call.deadline = monotonic() + timeout
        return self.runner.run(call, send, self.responses[head.compressing.accepts_gzip])

    def answer_query(self, query: Query, scope: Scope, receive: Receive, send: Send) -> Answering:
        """Answers a `GET`, whose message is in its query."""
        codec = self.codec
        call = _UnaryCall(scope, receive, codec.decode, codec.encode, self.max_message_bytes)
        call.keeps_body = False
        timeout, accepts = None, False
        try:
            check_metadata(scope["headers"])
            found = dict(scope["headers"])
            timeout = request_head(found, b"", b"").timeout
            data = query.message(self.max_message_bytes)
            accepts = accepts_gzip(found.get(_ACCEPT_ENCODING), query.compression)
        except CallError as failure:
            call.refuse(failure)
        else:
            call.messages = GivenMessage(self.codec.decode, data)
        self._limit_time(call, timeout)
        response = ConnectResponse(self._content_type, accepts_gzip=accepts, varies=True)
        return self.runner.run(call, send, response)

    def straight(self, scope: Scope) -> BeginAnswer | None:
        head, failure = self.read(scope["headers"])
        return None if failure is not None else ConnectRequest(self, scope, OF_REQUESTS, head)

    def read(self, headers: Headers) -> tuple[RequestHead, CallError | None]:
        """Reads the headers of a request, and says why it cannot be a call."""
        head, length = UNREADABLE, b""
        found: dict[bytes, bytes] = {}
        try:
            for name, value in headers:
                if name in _OF_NO_MATTER:
                    continue
                if name == b"content-length":
                    length = value
                elif name in _OF_THE_CALL:
                    found[name] = value
                elif name[-4:] == b"-bin":
                    check_binary(name, value)
            if found:
                head = request_head(found, _ENCODING, _ACCEPT_ENCODING)
            if (
                len(length) > self._unquestioned_digits
                and length.isdigit()
                and int(length[-20:]) > self.max_body_bytes
            ):
                raise too_large(self.max_message_bytes)
        except CallError as failure:
            return head, failure
        return head, None

    def messages(self, head: RequestHead) -> RequestMessages:
        decode, decompress = self.codec.decode, head.compressing.decompress
        limit = self.max_message_bytes
        if decompress is None:
            return BodyMessage(decode, limit)
        return BodyMessage(
            lambda data: decode(decompress(data, limit) if data else data),
            self.max_body_bytes,
            limit,
        )


class ConnectRequest(StraightRequest[ConnectUnary]):
    """What answers requests straight on their streams that say the same."""

    def __call__(self, stream: HttpStream) -> Coroutine[Any, Any, None]:
        """Follows `BeginAnswer`."""
        endpoint, call = self._endpoint, self._begin(stream)
        call.is_whole = True
        response = endpoint.responses[self._head.compressing.accepts_gzip]
        return answer_straight(endpoint.runner, call, response)

    def plain(self, body: bytes) -> Any:
        endpoint = self._endpoint
        if self._head.compressing.decompress is not None:
            return None
        return None if len(body) > endpoint.max_message_bytes else endpoint.codec.decode(body)


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
            try:
                data = decode_base64(data.translate(_URL_SAFE))
            except ValueError:
                raise CallError(
                    grpc.StatusCode.INVALID_ARGUMENT, "message must be URL-safe base64"
                ) from None
        if decompress is not None and data:
            return decompress(data, max_message_bytes)
        if len(data) > max_message_bytes:
            raise too_large(max_message_bytes)
        return data

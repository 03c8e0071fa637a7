"""One RPC by HTTP/JSON, from the request to the servicer and back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from time import monotonic
from typing import Any

import grpc

from ..calls.call import Call, serving_plain
from ..calls.http_stream import BeginAnswer
from ..calls.incoming import Receive
from ..calls.messages import BodyMessage, GivenMessage, RequestMessages
from ..calls.response import Encoder, Send
from ..calls.runner import CallRunner, Scope, let_pause
from ..protojson import JsonError
from ..rpc.handlers import Handler, RpcFunction
from ..rpc.interception import Interception
from ..rpc.metadata import Headers
from ..rpc.methods import RpcMethod
from ..rpc.status import CallError
from ..transcoding.enum_numbers import asks_for_enum_numbers
from .headers import JSON, RequestHeaders, is_forgeable, is_plain
from .negotiation import FRAMINGS, negotiate
from .raw_body import RawDecoder, RawEncoder, RawFraming
from .request import BodyMessages, Decoder, frames_for, not_lost, read_message, unsupported
from .response import WHOLE, StreamResponse, stream_response
from .straight import JsonRequest


class JsonCall(Call):
    """A call whose messages are JSON texts, or `google.api.HttpBody`.

    Attributes:
        stream: Where messages go if they can be many.
    """

    stream: StreamResponse | None = None

    @cached_property
    def messages(self) -> RequestMessages:
        return BodyMessage(partial(read_message, self.decode), self.max_body_bytes)


class Endpoint(CallRunner):
    """Answers the requests with JSON of one RPC.

    Args:
        rpc: The RPC.
        handlers: As `CallRunner` has it.
        interception: As `CallRunner` has it.
        max_message_bytes: The limit for each request message, as JSON text.
        default_timeout: Seconds for calls that come without `grpc-timeout`; None: no limit.
    """

    def __init__(
        self,
        rpc: RpcMethod,
        handlers: Mapping[str, Handler],
        interception: Interception,
        max_message_bytes: int,
        default_timeout: float | None,
    ) -> None:
        self.rpc = rpc
        super().__init__(rpc.full_name, rpc.handler, rpc.descriptor, handlers, interception, "http")
        self.max_message_bytes = max_message_bytes
        self.allowed_digits = len(str(max_message_bytes)) - 1
        self.default_timeout = default_timeout
        self.is_unary = not (rpc.handler.request_streaming or rpc.handler.response_streaming)

    def answer(
        self,
        decode: Decoder,
        encode: Encoder,
        from_query: bool,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> Awaitable[None]:
        """Begins to answer one request, and gives what is left, to be awaited.

        Args:
            decode: JSON text to a request message.
            encode: A response message to JSON text.
            from_query: The one request message is the query's; the body is not read.
            scope: The ASGI connection scope.
            receive: Its `receive`.
            send: Its `send`.
        """
        call = JsonCall(scope, receive, decode, encode, self.max_message_bytes)
        headers, timeout = scope["headers"], self.default_timeout
        if not from_query and self.is_usual(headers):
            call.is_plain = call.is_whole = True
        else:
            try:
                head = RequestHeaders(headers)
            except CallError as failure:
                call.refuse(failure)
            else:
                if self.rpc.handler.request_streaming and not from_query:
                    let_pause(scope)
                self._connect(call, head, send, from_query=from_query)
                timeout = timeout if head.timeout is None else head.timeout
        if timeout is not None:
            call.deadline = monotonic() + timeout
        return self.settle(call, self.begin(call), send, call.stream or WHOLE)

    def is_usual(self, headers: Headers) -> bool:
        """Whether requests with these have one message, their body, of which all is as usual."""
        return self.is_unary and is_plain(headers, self.allowed_digits)

    def straight(self, decode: Decoder, encode: Encoder, scope: Scope) -> BeginAnswer | None:
        """What answers all requests of a connection that say this, without ASGI.

        Args:
            decode: JSON text to a request message.
            encode: A response message to JSON text.
            scope: The ASGI connection scope.

        Returns:
            None: they are not the usual ones, whose one message is the body.
        """
        if not self.is_usual(scope["headers"]):
            return None
        return JsonRequest(self, decode, encode, scope)

    def _serving(self, handler: Handler) -> RpcFunction:
        return serving_plain(handler, self.rpc.descriptor, JsonError)

    def _connect(
        self,
        call: JsonCall,
        head: RequestHeaders,
        send: Send,
        *,
        from_query: bool,
    ) -> None:
        try:
            call.stream = self._stream(head, send, call.encode)
            if from_query:
                call.messages = GivenMessage(partial(read_message, call.decode), b"")
                call.keeps_body = False
            else:
                _check_type(head, call.scope)
                self._take_body(head, call)
        except CallError as failure:
            # Said after the interceptors, which may have a reason of their own to refuse.
            call.stream = None
            call.refuse(failure)

    def _stream(self, head: RequestHeaders, send: Send, encode: Encoder) -> StreamResponse | None:
        streaming = self.rpc.handler.response_streaming
        if isinstance(encode, RawEncoder):  # Its media type is the servicer's to choose.
            return stream_response(send, encode, RawFraming()) if streaming else None
        media_type = negotiate(head.accept, streaming=streaming)
        if media_type is None:
            offered = b", ".join(FRAMINGS).decode() if streaming else "application/json"
            raise CallError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"accept must allow one of: {offered}",
                http_status=406,
            )
        return stream_response(send, encode, FRAMINGS[media_type]()) if streaming else None

    def _take_body(self, head: RequestHeaders, call: JsonCall) -> None:
        frames = frames_for(
            head,
            streaming=self.rpc.handler.request_streaming,
            max_message_bytes=self.max_message_bytes,
            raw=isinstance(call.decode, RawDecoder),
        )
        if frames is not None:
            call.messages = BodyMessages(call.decode, frames)
            return
        call.is_whole = True
        if head.offers_upgrade and (head.is_chunked or head.content_length):
            call.receive = not_lost(call.receive)


@dataclass(frozen=True, slots=True)
class RouteCodec:
    """Has requests answered, and the answers written as they ask for it.

    Attributes:
        endpoint: Answers the requests.
        encode: A response message to JSON text.
        encode_numbers: The same with enums as numbers.
        http_body_of: The `google.api.HttpBody` of a response message; None: it has none, it is
            JSON.
    """

    endpoint: Endpoint
    encode: Encoder
    encode_numbers: Encoder
    http_body_of: Callable[[Any], Any] | None

    def answer(
        self, decode: Decoder, from_query: bool, scope: Any, receive: Receive, send: Send
    ) -> Awaitable[None]:
        """Begins to answer one request, as `Endpoint.answer` does."""
        encode = self.encode
        if self.http_body_of is not None:
            encode = raw = RawEncoder(self.http_body_of)
            send = raw.typed(send)
        elif asks_for_enum_numbers(scope["query_string"]):
            encode = self.encode_numbers
        return self.endpoint.answer(decode, encode, from_query, scope, receive, send)


def _check_type(head: RequestHeaders, scope: Scope) -> None:
    """Refuses what other sites' pages may send, and forgets the type of what has no content."""
    if scope["method"] == "POST" and is_forgeable(scope["headers"], head.content_type):
        raise unsupported(f"a page of another site must send content-type: {JSON}")
    if head.content_length == 0 or (
        head.content_length is None
        and not head.is_chunked
        # Later versions need tell neither.
        and (scope["http_version"].startswith("1") or scope["method"] in ("GET", "HEAD"))
    ):
        head.content_type = ""

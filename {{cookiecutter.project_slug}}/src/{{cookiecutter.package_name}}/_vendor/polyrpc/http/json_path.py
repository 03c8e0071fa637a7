"""One RPC at its path for HTTP/JSON, where its message is the body or the query."""

from __future__ import annotations

from collections.abc import Awaitable
from time import monotonic
from typing import Any

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from ..calls.http_stream import BeginAnswer
from ..calls.incoming import Receive
from ..calls.response import Answer, Answering, Encoder, Send, to_head
from ..calls.runner import Scope
from ..protojson import JsonCodec
from ..protojson.descriptors import is_http_body
from ..protojson.style import JsonStyle
from ..transcoding.enum_numbers import enum_numbers_encoder
from ..transcoding.http_methods import message_is_in_query
from ..transcoding.query import QueryDecoder
from .endpoint import Endpoint, JsonCall, RouteCodec
from .headers import is_plain
from .raw_body import RawDecoder
from .request import Decoder
from .response import WHOLE, unary_events


class JsonPath:
    """Answers the requests to the path of one RPC.

    Args:
        endpoint: Answers them once it is known how they are to be read and written.
        codec: Reads and writes JSON.
        style: How messages are written.
        ignore_unknown_fields: Parameters of the query that no field has are no failure.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        codec: JsonCodec,
        style: JsonStyle,
        *,
        ignore_unknown_fields: bool,
    ) -> None:
        method = endpoint.rpc.descriptor
        self._request_class = GetMessageClass(method.input_type)
        self._decode = codec.message_decoder(self._request_class)
        self._encode = codec.message_encoder(GetMessageClass(method.output_type))
        self._decode_query = QueryDecoder(
            method.input_type, ignore_unknown_fields=ignore_unknown_fields
        )
        self._takes_raw = is_http_body(method.input_type)
        gives_raw = is_http_body(method.output_type)
        self._is_raw = self._takes_raw or gives_raw
        self._takes_usual = endpoint.is_unary and not self._is_raw
        self._endpoint = endpoint
        self._written = RouteCodec(
            endpoint,
            self._encode,
            enum_numbers_encoder(method.output_type, "", style),
            _itself if gives_raw else None,
        )

    def answer_to(self, http_method: str) -> Answer:
        """Gives what answers the requests with an HTTP method."""
        if message_is_in_query(http_method):
            answer: Answer = self._from_query
        elif self._takes_usual:
            answer = _answering_bodies(
                self._endpoint, self._decode, self._encode, self._from_other_body
            )
        else:
            answer = self._from_other_body
        return to_head(answer) if http_method == "HEAD" else answer

    def straight(self, scope: Scope) -> BeginAnswer | None:
        """Gives what answers requests with `POST` without ASGI; None: nothing does."""
        if self._is_raw or scope["query_string"]:
            return None
        return self._endpoint.straight(self._decode, self._encode, scope)

    def _from_other_body(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        decode = RawDecoder(scope, _http_body) if self._takes_raw else self._decode
        return self._written.answer(decode, False, scope, receive, send)

    def _from_query(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        query = scope["query_string"]

        def decode(_body: bytes) -> Message:
            return self._request_class.FromString(self._decode_query(query))

        return self._written.answer(decode, True, scope, receive, send)


def _answering_bodies(
    endpoint: Endpoint, decode: Decoder, encode: Encoder, answer_others: Answer
) -> Answer:
    """Makes what answers usual requests as `Endpoint.answer` does, in as few steps as there can be.

    Args:
        endpoint: That of an RPC which takes one message and gives one.
        decode: JSON text to a request message.
        encode: A response message to JSON text.
        answer_others: Answers requests that are not usual.
    """
    begin, settle = endpoint.begin, endpoint.settle
    allowed_digits, timeout = endpoint.allowed_digits, endpoint.default_timeout
    max_bytes = endpoint.max_message_bytes

    def answer(scope: Scope, receive: Receive, send: Send) -> Answering:
        if scope["query_string"] or not is_plain(scope["headers"], allowed_digits):
            return answer_others(scope, receive, send)
        call = JsonCall(scope, receive, decode, encode, max_bytes)
        call.is_plain = call.is_whole = True
        if timeout is not None:
            call.deadline = monotonic() + timeout
        # As `CallRunner.run` does it, which would be two functions more for each call.
        outcome = begin(call)
        if outcome is None and call.body is not None and not (call.callbacks or call.disconnected):
            call.finished = True
            return unary_events(call.body, call)
        return settle(call, outcome, send, WHOLE)

    return answer


def _itself(response: Any) -> Any:
    return response


def _http_body(data: bytes, content_type: str) -> Message:
    message: Message = HttpBody(data=data, content_type=content_type)
    return message

"""One RPC at its path for HTTP/JSON, where its message is the body or the query."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from ..calls.http_stream import BeginAnswer
from ..calls.incoming import Receive
from ..calls.response import Answer, Send, to_head
from ..calls.runner import Scope
from ..protojson import JsonCodec
from ..protojson.descriptors import is_http_body
from ..protojson.style import JsonStyle
from ..transcoding.enum_numbers import enum_numbers_encoder
from ..transcoding.http_methods import message_is_in_query
from ..transcoding.query import QueryDecoder
from .endpoint import Endpoint, RouteCodec
from .raw_body import RawDecoder


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
            answer = self._from_query
        else:
            answer = self._from_raw_body if self._is_raw else self._from_body
        return to_head(answer) if http_method == "HEAD" else answer

    def straight(self, scope: Scope) -> BeginAnswer | None:
        """Gives what answers requests with `POST` without ASGI; None: nothing does."""
        if self._is_raw or scope["query_string"]:
            return None
        return self._endpoint.straight(self._decode, self._encode, scope)

    def _from_body(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["query_string"]:
            return self._written.answer(self._decode, False, scope, receive, send)
        return self._endpoint.answer(self._decode, self._encode, False, scope, receive, send)

    def _from_raw_body(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        decode = RawDecoder(scope, _http_body) if self._takes_raw else self._decode
        return self._written.answer(decode, False, scope, receive, send)

    def _from_query(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        query = scope["query_string"]

        def decode(_body: bytes) -> Message:
            return self._request_class.FromString(self._decode_query(query))

        return self._written.answer(decode, True, scope, receive, send)


def _itself(response: Any) -> Any:
    return response


def _http_body(data: bytes, content_type: str) -> Message:
    message: Message = HttpBody(data=data, content_type=content_type)
    return message

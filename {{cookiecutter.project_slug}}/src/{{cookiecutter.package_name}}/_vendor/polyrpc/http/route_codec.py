"""How the responses of one route of an RPC are written, which depends on the request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ..calls.incoming import Receive
from ..calls.response import Encoder, Send
from ..transcoding.enum_numbers import asks_for_enum_numbers
from .endpoint import Endpoint
from .raw_body import RawEncoder
from .request import Decoder


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
        """Answers one request, as `Endpoint.answer` does."""
        encode = self.encode
        if self.http_body_of is not None:
            encode = raw = RawEncoder(self.http_body_of)
            send = raw.typed(send)
        elif asks_for_enum_numbers(scope["query_string"]):
            encode = self.encode_numbers
        return self.endpoint.answer(decode, encode, from_query, scope, receive, send)

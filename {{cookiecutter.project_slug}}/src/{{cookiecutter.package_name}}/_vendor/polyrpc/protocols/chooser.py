"""Chooses, for the requests to one RPC's path, who answers: by HTTP method and content type."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from ..calls.http_stream import BeginAnswer
from ..calls.incoming import Receive
from ..calls.metadata import media_type
from ..calls.response import Answer, Answering, Send, to_head
from ..calls.runner import CallRunner, Scope
from ..protojson import JsonCodec
from ..rpc.method_info import Protocol
from ..rpc.methods import RpcMethod
from ..rpc.status import CallError
from .codecs import Codec, json_codec, proto_codec
from .connect_stream import ConnectStream
from .connect_unary import CONTENT_TYPES, ConnectUnary, Query
from .endpoint import WireEndpoint, refuse
from .enveloped import EnvelopedEndpoint
from .enveloped_response import EnvelopedFormat
from .grpc import Grpc
from .grpc_web import GrpcWeb, GrpcWebText

PROTOCOLS: tuple[Protocol, ...] = ("grpc", "grpc-web", "connect")
"""Those that are answered at an RPC's own path."""

FORMATS: tuple[EnvelopedFormat, ...] = (Grpc(), GrpcWeb(), GrpcWebText(), ConnectStream())
"""The wire formats whose messages come in envelopes."""

_GET = ("GET", "HEAD")
_CONNECT_MALFORMED = grpc.StatusCode.INVALID_ARGUMENT


class RpcPath:
    """Answers the requests to the path of one RPC, `/{package.Service}/{Method}`.

    What a content type needs is made when the first request has it.

    Args:
        rpc: The RPC, as logs, `MethodInfo` and metrics know it.
        protocols: Those that it is to be called by.
        runner_for: Makes what runs its calls by a protocol.
        json: Its messages as JSON.
        max_message_bytes: The limit for each request message, after decompression.
        default_timeout: Seconds for calls that come without a deadline; None: no limit.

    Attributes:
        path: The path.
        methods: The HTTP methods that are answered.
    """

    def __init__(
        self,
        rpc: RpcMethod,
        protocols: Collection[Protocol],
        runner_for: Callable[[RpcMethod, Protocol], CallRunner],
        json: JsonCodec,
        max_message_bytes: int,
        default_timeout: float | None,
    ) -> None:
        self.path = rpc.full_name
        self._rpc = rpc
        self._runner_for = runner_for
        self._json = json
        self._limits = max_message_bytes, default_timeout
        self._runners: dict[Protocol, CallRunner] = {}
        is_unary = not (rpc.handler.request_streaming or rpc.handler.response_streaming)
        takes_connect = "connect" in protocols and is_unary
        self._makers: dict[str, Callable[[], WireEndpoint]] = {
            content_type: partial(self._enveloped, wire, content_type, codec)
            for wire in FORMATS
            if wire.protocol in protocols and not (is_unary and wire.protocol == "connect")
            for content_type, codec in wire.content_types.items()
        }
        if takes_connect:
            for content_type, codec in CONTENT_TYPES.items():
                self._makers[content_type] = partial(self._unary, codec)
        self._endpoints: dict[bytes, WireEndpoint] = {}
        self.methods = ["POST"]
        if takes_connect and _is_safe(rpc.descriptor):
            self.methods += _GET

    def answer_to(self, http_method: str) -> Answer:
        """Gives what answers the requests with an HTTP method."""
        if http_method == "POST":
            return self._post
        return to_head(self._get) if http_method == "HEAD" else self._get

    def straight(self, scope: Scope) -> BeginAnswer | None:
        """Gives what answers requests with `POST` without ASGI; None: nothing does."""
        endpoint = self._endpoint(scope)
        return None if endpoint is None else endpoint.straight(scope)

    def _post(self, scope: Scope, receive: Receive, send: Send) -> Answering:
        endpoint = self._endpoint(scope)
        if endpoint is None:
            refusal = self._unsupported("content-type", self._makers)
            return refuse(self._runner("http"), refusal, scope, receive, send)
        return endpoint.answer(scope, receive, send)

    def _endpoint(self, scope: Scope) -> WireEndpoint | None:
        for name, value in scope["headers"]:
            if name == b"content-type":
                # As it is written, as a rule.
                return self._endpoints.get(value) or self._made(media_type(value))
        return None

    def _made(self, content_type: str) -> WireEndpoint | None:
        make = self._makers.get(content_type)
        if make is None:
            return None
        key = content_type.encode()
        endpoint = self._endpoints[key] = self._endpoints.get(key) or make()
        return endpoint

    def _get(self, scope: Scope, receive: Receive, send: Send) -> Answering:
        query = Query(scope["query_string"])
        endpoint = self._made(f"application/{query.encoding}")
        if not isinstance(endpoint, ConnectUnary):
            refusal = self._unsupported("encoding", CONTENT_TYPES.values())
            return refuse(self._runner("http"), refusal, scope, receive, send)
        return endpoint.answer_query(query, scope, receive, send)

    def _enveloped(self, wire: EnvelopedFormat, content_type: str, codec: str) -> WireEndpoint:
        return EnvelopedEndpoint(
            self._runner(wire.protocol),
            self._codec(codec, wire.malformed),
            wire,
            content_type.encode(),
            *self._limits,
        )

    def _unary(self, codec: str) -> ConnectUnary:
        made = self._codec(codec, _CONNECT_MALFORMED)
        return ConnectUnary(self._runner("connect"), made, *self._limits)

    def _codec(self, name: str, malformed: grpc.StatusCode) -> Codec:
        method = self._rpc.descriptor
        return json_codec(method, self._json) if name == "json" else proto_codec(method, malformed)

    def _runner(self, protocol: Protocol) -> CallRunner:
        runner = self._runners.get(protocol)
        if runner is None:
            runner = self._runners[protocol] = self._runner_for(self._rpc, protocol)
        return runner

    def _unsupported(self, what: str, supported: Collection[str]) -> CallError:
        return CallError(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"{what} must be one of: {', '.join(supported)}",
            http_status=415,
            headers=((b"accept-post", ", ".join(self._makers).encode()),),
        )


def _is_safe(method: MethodDescriptor) -> bool:
    options: Any = method.GetOptions()
    return bool(options.idempotency_level == MethodOptions.NO_SIDE_EFFECTS)

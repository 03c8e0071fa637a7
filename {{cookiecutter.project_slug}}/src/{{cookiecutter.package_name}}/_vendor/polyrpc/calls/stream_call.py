"""A call straight on a stream of HTTP/2, without ASGI between them."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

import grpc

from ..rpc.metadata import Metadata
from ..rpc.status import CallError
from .call import Call
from .cancellation import CallCancellation
from .http_stream import HttpStream
from .messages import RequestMessages
from .metadata import invocation_metadata
from .peer import peer_address
from .response import Encoder


class StreamedRequest(ABC):
    """What all requests of a connection have in common that say the same.

    Args:
        scope: As ASGI has it.
        reserved: The names of request headers that are no metadata.

    Attributes:
        max_body_bytes: How long the body may be of a request of one message.
        known_metadata: The invocation metadata, once somebody has asked for them.
    """

    max_body_bytes: int
    known_metadata: Metadata | None = None
    _peer: str | None = None

    def __init__(self, scope: Mapping[str, Any], reserved: Collection[bytes]) -> None:
        self.scope = scope
        self._reserved = reserved

    def peer(self) -> str:
        """Who asks, in gRPC's form."""
        if self._peer is None:
            self._peer = peer_address(self.scope)
        return self._peer

    def metadata(self) -> Metadata:
        """The invocation metadata."""
        if self.known_metadata is None:
            self.known_metadata = invocation_metadata(self.scope["headers"], self._reserved)
        return self.known_metadata

    @abstractmethod
    def messages(self) -> RequestMessages:
        """Makes what reads the messages of one of them."""

    @abstractmethod
    def plain(self, body: bytes) -> Any:
        """Reads a body that is one message and usual; None: it is not."""


class StreamCall(Call):
    """A call whose request comes on a stream, and whose response goes there.

    The server holds back clients that send faster than the handler reads, and tells at once when
    they have gone, so nothing is received beside the call.

    Args:
        stream: The stream, whose handler this becomes.
        request: What it asks for.
        encode: Writes the messages of the response.

    Attributes:
        http: The stream.
    """

    def __init__(self, stream: HttpStream, request: StreamedRequest, encode: Encoder) -> None:
        self.http = stream
        self._request = request
        self.scope = request.scope
        self.encode = encode
        # As every call has them.
        self.code_set = self.deadline = self.refusal = self.stream = None
        self.headers = self.initial_metadata = self.trailing = self.callbacks = ()
        stream.handler = self

    @property
    def max_body_bytes(self) -> int:  # type: ignore[override]  # of all its kind
        """How long the body of a request of one message may be."""
        return self._request.max_body_bytes

    @cached_property
    def messages(self) -> RequestMessages:
        return self._request.messages()

    def invocation_metadata(self) -> Any:
        request = self._request
        return request.metadata() if request.known_metadata is None else request.known_metadata

    def peer(self) -> str:
        return self._request.peer()

    def plain_request(self) -> Any:
        stream = self.http
        if stream.more_body or self.disconnected or self.chunks is not None:
            return None
        body = stream.read()
        request = self._request.plain(body)
        if request is None:
            self.chunks, self._unread = deque((body,)), len(body)
        self.body_ended = True
        return request

    # What the stream calls

    def stream_changed(self) -> None:
        """Something of the body has arrived, or its end."""
        if self._arrived is not None:
            self._arrived.set()

    def stream_lost(self) -> None:
        """The client has given up, or has gone."""
        self.disconnected = True
        if self._arrived is not None:
            self._arrived.set()
        if self.lifetime is not None:
            self.lifetime.disconnect()

    # In the place of what receives events

    def supervise(self, lifetime: CallCancellation) -> None:
        self.lifetime = lifetime
        if self.disconnected:  # before the call began
            lifetime.disconnect_soon()

    async def _receive_more(self) -> None:
        while not self._take():
            if self._closed:
                raise CallError(grpc.StatusCode.CANCELLED, "The call has ended")
            self._arrived = self._arrived or asyncio.Event()
            self._arrived.clear()
            await self._arrived.wait()

    def _take(self) -> bool:
        """Takes what has arrived; False: nothing has."""
        if self.disconnected:
            raise CallError(grpc.StatusCode.CANCELLED, "The client disconnected")
        if self.chunks is None:
            self.chunks = deque()
        chunk = self.http.read()
        if chunk:
            self.chunks.append(chunk)
            self._unread += len(chunk)
        self.body_ended = not self.http.more_body
        return self.body_ended or bool(chunk)

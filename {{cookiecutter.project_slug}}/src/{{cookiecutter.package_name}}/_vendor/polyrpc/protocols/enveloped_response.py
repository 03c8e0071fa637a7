"""What protocols differ in whose messages come in envelopes, and the responses of their calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

import grpc

from ..calls.call import Call
from ..calls.context import HttpServicerContext
from ..calls.response import (
    Encoder,
    Event,
    EventResponseStream,
    ResponseStream,
    Send,
    chunk_event,
)
from ..calls.runner import Scope
from ..rpc.metadata import response_headers
from ..rpc.method_info import Protocol
from ..rpc.status import CallError
from .compression import GZIP, compressed
from .envelopes import COMPRESSED, envelope
from .request_head import Compressing, RequestHead

ConstantHeaders: TypeAlias = "tuple[tuple[bytes, bytes], ...]"


class EnvelopedFormat(ABC):
    """What one protocol makes of headers, bodies and ends.

    Attributes:
        protocol: As logs and metrics call it.
        malformed: What calls end with whose message cannot be parsed.
        encoding: The header that names the compression of messages.
        accept_encoding: The header that lists those known.
        of_requests: Headers of requests that are no metadata.
        of_responses: Headers that no servicer may set.
        has_trailers: The call ends with trailers, besides the body.
        is_text: Bodies are base64.
    """

    protocol: ClassVar[Protocol]
    malformed: ClassVar[grpc.StatusCode]
    encoding: ClassVar[bytes]
    accept_encoding: ClassVar[bytes]
    of_requests: ClassVar[Collection[bytes]]
    of_responses: ClassVar[Collection[bytes]]
    has_trailers: ClassVar[bool] = False
    is_text: bool = False

    def refusal(self, scope: Scope) -> CallError | None:  # noqa: ARG002 - most do not care
        """Why a request that comes this way can be no call of the protocol; None: it can."""
        return None

    @abstractmethod
    def head(self, headers: Mapping[bytes, bytes]) -> RequestHead:
        """Reads the headers of a request.

        Raises:
            CallError: They are malformed, or name a compression that is not known.
        """

    @abstractmethod
    def end(self, failure: CallError | None, context: HttpServicerContext) -> bytes:
        """What the body ends with, after the last message."""

    def trailers(
        self, failure: CallError | None, context: HttpServicerContext
    ) -> list[tuple[bytes, bytes]]:
        """What comes after the body, where that `has_trailers`."""
        raise NotImplementedError  # Nobody asks the others.

    def chunk(self, data: bytes) -> bytes:
        """Writes envelopes as the body has them."""
        return data


class EnvelopedResponse(ResponseStream):
    """The response of a call, of whatever kind.

    Args:
        encode: Writes a message.
        wire: The protocol.
        constant: The headers that all responses have.
        compressing: What the request has asked for.
    """

    _compresses: bool | None = None

    def __init__(
        self,
        encode: Encoder,
        wire: EnvelopedFormat,
        constant: ConstantHeaders,
        compressing: Compressing,
    ) -> None:
        self._encode = encode
        self._wire = wire
        self._constant = constant
        self._wish = compressing

    def last(self, call: Call, outcome: CallError | None) -> bytes:
        """What the body ends with when a call has ended."""
        wire = self._wire
        data = b""
        if outcome is None and call.stream is None and call.body is not None:
            data = self._envelope(call.body, call)
        return wire.chunk(data + wire.end(outcome, call))

    def trailers(self, call: Call, outcome: CallError | None) -> list[tuple[bytes, bytes]] | None:
        """What comes after it; None: nothing does."""
        return self._wire.trailers(outcome, call) if self._wire.has_trailers else None

    def headers(self, context: HttpServicerContext) -> list[tuple[bytes, bytes]]:
        """The headers that not all responses have."""
        context.headers_sent = True
        wire = self._wire
        headers = list(context.headers)
        if self._compressing(context):
            headers.append((wire.encoding, GZIP))
        if context.initial_metadata:
            headers += [
                header
                for header in response_headers(context.initial_metadata)
                if header[0] not in wire.of_responses
            ]
        return headers

    def _frame(self, message: Any, context: HttpServicerContext) -> bytes:
        return self._wire.chunk(self._envelope(self._encode(message), context))

    def _envelope(self, data: bytes, context: HttpServicerContext) -> bytes:
        if not self._compressing(context):
            return envelope(data)
        if context.next_uncompressed:
            context.next_uncompressed = False
            return envelope(data)
        return envelope(compressed(data), COMPRESSED)

    def _compressing(self, context: HttpServicerContext) -> bool:
        if self._compresses is None:
            chosen = context.compression
            self._compresses = self._wish.accepts_gzip and (
                self._wish.prefers_gzip if chosen is None else chosen == grpc.Compression.Gzip
            )
        return self._compresses


class EnvelopedEvents(EnvelopedResponse, EventResponseStream):
    """One that is sent as the events of ASGI.

    Args:
        send: ASGI's `send`.
        encode: As `EnvelopedResponse` has it, and so the others.
    """

    def __init__(
        self,
        send: Send,
        encode: Encoder,
        wire: EnvelopedFormat,
        constant: ConstantHeaders,
        compressing: Compressing,
    ) -> None:
        super().__init__(encode, wire, constant, compressing)
        self._send = send

    def events(self, call: Call, outcome: CallError | None) -> Sequence[Event]:
        """What is left to be sent when a call has ended."""
        last = self.last(call, outcome)
        start = () if self._started else (self._start(call),)
        body = chunk_event(last, more_body=False)
        trailers = self.trailers(call, outcome)
        if trailers is None:
            return *start, body
        event = {"type": "http.response.trailers", "headers": trailers, "more_trailers": False}
        return *start, body, event

    def _start(self, context: HttpServicerContext) -> Event:
        headers = [*self._constant, *self.headers(context)]
        event: Event = {"type": "http.response.start", "status": 200, "headers": headers}
        if self._wire.has_trailers:
            event["trailers"] = True
        return event

"""What protocols differ in whose messages come in envelopes, and the responses of their calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, TypeAlias

import grpc

from ..calls.call import Call
from ..calls.context import HttpServicerContext
from ..calls.http_stream import TRAILERS
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
from .compression import GZIP, Compressing, compressed
from .endpoint import RequestHead
from .envelopes import COMPRESSED, envelope

ConstantHeaders: TypeAlias = "tuple[tuple[bytes, bytes], ...]"


class EnvelopedFormat(ABC):
    """What one protocol makes of headers, bodies and ends.

    Attributes:
        protocol: As logs and metrics call it.
        content_types: Those of its requests, with the codec of each.
        malformed: What calls end with whose message cannot be parsed.
        encoding: The header that names the compression of messages.
        accept_encoding: The header that lists those known.
        of_requests: Headers of requests that are no metadata.
        of_responses: Headers that no servicer may set.
        has_trailers: The call ends with trailers, besides the body.
        is_text: Bodies are base64.
    """

    protocol: ClassVar[Protocol]
    content_types: ClassVar[Mapping[str, str]]
    malformed: ClassVar[grpc.StatusCode]
    encoding: ClassVar[bytes]
    accept_encoding: ClassVar[bytes]
    of_requests: ClassVar[Collection[bytes]]
    of_responses: ClassVar[frozenset[bytes]]
    has_trailers: ClassVar[bool] = False
    is_text: ClassVar[bool] = False

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
        self,
        failure: CallError | None,  # noqa: ARG002 - most have none
        context: HttpServicerContext,  # noqa: ARG002 - most have none
    ) -> list[tuple[bytes, bytes]] | None:
        """What comes after the body; None: nothing does, as with all that are without trailers."""
        return None

    def chunk(self, data: bytes) -> bytes:
        """Writes envelopes as the body has them."""
        return data


class ResponseForm:
    """What the responses have in common to requests that say the same.

    Args:
        encode: Writes a message.
        wire: The protocol.
        constant: The headers that all responses have.
        compressing: What the requests have asked for.

    Attributes:
        encode, wire, constant, compressing: As given.
        is_plain: Nothing is compressed if nobody asks for it, and a message is all of the body.
    """

    __slots__ = ("compressing", "constant", "encode", "is_plain", "wire")

    def __init__(
        self,
        encode: Encoder,
        wire: EnvelopedFormat,
        constant: ConstantHeaders,
        compressing: Compressing,
    ) -> None:
        self.encode = encode
        self.wire = wire
        self.constant = constant
        self.compressing = compressing
        self.is_plain = wire.has_trailers and not compressing.prefers_gzip


class EnvelopedResponse(ResponseStream):
    """The response of a call, of whatever kind."""

    _form: ResponseForm
    _compresses: bool | None = None

    def last(self, call: Call, outcome: CallError | None) -> bytes:
        """What the body ends with when a call has ended."""
        wire = self._form.wire
        data = b""
        if outcome is None and call.stream is None and call.body is not None:
            data = self._envelope(call.body, call)
        return wire.chunk(data + wire.end(outcome, call))

    def headers(self, context: HttpServicerContext) -> list[tuple[bytes, bytes]]:
        """The headers that not all responses have."""
        context.headers_sent = True
        wire = self._form.wire
        headers = list(context.headers)
        if self._compressing(context):
            headers.append((wire.encoding, GZIP))
        return headers + response_headers(context.initial_metadata, reserved=wire.of_responses)

    def _frame(self, message: Any, context: HttpServicerContext) -> bytes:
        form = self._form
        return form.wire.chunk(self._envelope(form.encode(message), context))

    def _envelope(self, data: bytes, context: HttpServicerContext) -> bytes:
        if not self._compressing(context):
            return envelope(data)
        if context.next_uncompressed:
            context.next_uncompressed = False
            return envelope(data)
        return envelope(compressed(data), COMPRESSED)

    def _compressing(self, context: HttpServicerContext) -> bool:
        if self._compresses is None:
            chosen, wish = context.compression, self._form.compressing
            self._compresses = wish.accepts_gzip and (
                wish.prefers_gzip if chosen is None else chosen == grpc.Compression.Gzip
            )
        return self._compresses


class EnvelopedEvents(EnvelopedResponse, EventResponseStream):
    """One that is sent as the events of ASGI.

    Args:
        send: ASGI's `send`.
        form: What others have in common with it.
    """

    def __init__(self, send: Send, form: ResponseForm) -> None:
        self._send = send
        self._form = form

    def events(self, call: Call, outcome: CallError | None) -> tuple[Event, ...]:
        """What is left to be sent when a call has ended."""
        last = self.last(call, outcome)
        start = () if self._started else (self._start(call),)
        body = chunk_event(last, more_body=False)
        trailers = self._form.wire.trailers(outcome, call)
        if trailers is None:
            return *start, body
        event = {"type": TRAILERS, "headers": trailers, "more_trailers": False}
        return *start, body, event

    def _start(self, context: HttpServicerContext) -> Event:
        headers = [*self._form.constant, *self.headers(context)]
        event: Event = {"type": "http.response.start", "status": 200, "headers": headers}
        if self._form.wire.has_trailers:
            event["trailers"] = True
        return event

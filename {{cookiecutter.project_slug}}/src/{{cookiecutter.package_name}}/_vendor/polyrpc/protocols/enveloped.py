"""RPCs whose messages come in envelopes, of every kind: gRPC, gRPC-Web and Connect's streams.

`EnvelopedFormat` is what these differ in.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

import grpc

from ..calls.call import Call
from ..calls.context import HttpServicerContext
from ..calls.incoming import Incoming, Receive
from ..calls.refusals import refuse_request
from ..calls.response import Encoder, Event, ResponseStream, Send, chunk_event
from ..calls.runner import CallRunner, Scope, let_pause
from ..rpc.metadata import response_headers
from ..rpc.method_info import Protocol
from ..rpc.status import CallError
from .base64_text import Base64Reader
from .codecs import Codec, Decoder
from .compression import GZIP, KNOWN, compressed, most_compressed
from .endpoint import WireEndpoint, check_metadata
from .envelopes import COMPRESSED, PREFIX_BYTES, EnvelopeReader, envelope
from .request_head import UNREADABLE, RequestHead


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
        raise NotImplementedError

    def chunk(self, data: bytes) -> bytes:
        """Writes envelopes as the body has them."""
        return data


class EnvelopedMessages:
    """The messages of a request."""

    def __init__(self, decode: Decoder, reader: EnvelopeReader, text: Base64Reader | None) -> None:
        self._decode = decode
        self._reader = reader
        self._text = text
        self._ended = False

    async def next(self, incoming: Incoming) -> Any:
        """Follows `RequestMessages.next`."""
        data = await self.next_data(incoming)
        return None if data is None else self._decode(data)

    async def next_data(self, incoming: Incoming) -> bytes | None:
        """Waits for the next message, and gives it as it came."""
        while not self._ended:
            try:
                data = self._reader.next()
            except CallError:
                self._ended = True
                raise
            if data is not None:
                return data
            chunk = await incoming.next_chunk()
            try:
                if chunk is None:
                    self._ended = True
                    if self._text is not None:
                        self._text.close()
                    self._reader.close()
                else:
                    self._reader.feed(chunk if self._text is None else self._text.feed(chunk))
            except CallError:
                self._ended = True
                raise
        return None


class OneMessage:
    """The only message of a request; any other number of them is the caller's mistake."""

    def __init__(self, decode: Decoder, messages: EnvelopedMessages) -> None:
        self._decode = decode
        self._messages = messages
        self._is_given = False

    async def next(self, incoming: Incoming) -> Any:
        """Follows `RequestMessages.next`."""
        if self._is_given:
            return None
        self._is_given = True
        data = await self._messages.next_data(incoming)
        if data is None:
            raise _wrong_number("none")
        if await self._messages.next_data(incoming) is not None:
            raise _wrong_number("several")
        return self._decode(data)


def _wrong_number(number: str) -> CallError:
    return CallError(
        grpc.StatusCode.UNIMPLEMENTED, f"this RPC takes one message, and the request has {number}"
    )


class EnvelopedResponse(ResponseStream):
    """The response of a call, of whatever kind.

    Args:
        send: ASGI's `send`.
        encode: Writes a message.
        wire: The protocol.
        content_type: Of the response.
        head: What the request has asked for.
    """

    def __init__(
        self,
        send: Send,
        encode: Encoder,
        wire: EnvelopedFormat,
        content_type: bytes,
        head: RequestHead,
    ) -> None:
        super().__init__(send)
        self._encode = encode
        self._wire = wire
        self._content_type = content_type
        self._head = head
        self._compresses: bool | None = None

    def events(self, call: Call, outcome: CallError | None) -> Sequence[Event]:
        """What is left to be sent when a call has ended."""
        if outcome is None and call.stream is None and call.body is not None:
            return self._end(None, call, self._envelope(call.body, call))
        return self._end(outcome, call)

    def finish(self, context: HttpServicerContext) -> Sequence[Event]:
        return self._end(None, context)

    def fail(self, failure: CallError, context: HttpServicerContext) -> Sequence[Event]:
        return self._end(failure, context)

    def _end(
        self, failure: CallError | None, context: HttpServicerContext, last: bytes = b""
    ) -> Sequence[Event]:
        wire = self._wire
        start = () if self._started else (self._start(context),)
        body = chunk_event(wire.chunk(last + wire.end(failure, context)), more_body=False)
        if not wire.has_trailers:
            return *start, body
        trailers = {
            "type": "http.response.trailers",
            "headers": wire.trailers(failure, context),
            "more_trailers": False,
        }
        return *start, body, trailers

    def _start(self, context: HttpServicerContext) -> Event:
        context.headers_sent = True
        wire = self._wire
        headers = [
            (b"content-type", self._content_type),
            (wire.accept_encoding, KNOWN),
            *context.headers,
        ]
        if self._compressing(context):
            headers.append((wire.encoding, GZIP))
        if context.initial_metadata:
            headers += [
                header
                for header in response_headers(context.initial_metadata)
                if header[0] not in wire.of_responses
            ]
        event: Event = {"type": "http.response.start", "status": 200, "headers": headers}
        if wire.has_trailers:
            event["trailers"] = True
        return event

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
            self._compresses = self._head.accepts_gzip and (
                self._head.prefers_gzip if chosen is None else chosen == grpc.Compression.Gzip
            )
        return self._compresses


class EnvelopedEndpoint(WireEndpoint):
    """Answers the requests of one RPC, of whatever kind, that have one content type.

    Args:
        runner: As `WireEndpoint` has it.
        codec: As `WireEndpoint` has it.
        wire: The protocol.
        content_type: Of the requests and of the responses.
        max_message_bytes: As `WireEndpoint` has it.
        default_timeout: As `WireEndpoint` has it.
    """

    def __init__(
        self,
        runner: CallRunner,
        codec: Codec,
        wire: EnvelopedFormat,
        content_type: bytes,
        max_message_bytes: int,
        default_timeout: float | None,
    ) -> None:
        super().__init__(runner, codec, max_message_bytes, default_timeout)
        self._wire = wire
        self._content_type = content_type
        handler = runner.handler
        self._request_streaming = handler.request_streaming
        self._response_streaming = handler.response_streaming
        most = PREFIX_BYTES + most_compressed(max_message_bytes)
        self._max_body_bytes = most * 4 // 3 + 8 if wire.is_text else most

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Follows `WireEndpoint.answer`."""
        wire, codec = self._wire, self.codec
        refusal = wire.refusal(scope)
        if refusal is not None:
            await refuse_request(send, refusal)
            return
        call = Call(scope, receive, codec.encode, self._max_body_bytes)
        call.reserved = wire.of_requests
        headers, head = scope["headers"], UNREADABLE
        try:
            check_metadata(headers)
            head = wire.head(dict(headers))
        except CallError as failure:
            call.refuse(failure)
        else:
            self._connect(call, head)
        self._limit_time(call, head.timeout)
        response = EnvelopedResponse(send, codec.encode, wire, self._content_type, head)
        if self._response_streaming:
            call.stream, call.tells_early = response, True
        await self._settle(call, send, response)

    def _connect(self, call: Call, head: RequestHead) -> None:
        reader = EnvelopeReader(self.max_message_bytes, head.decompress)
        text = Base64Reader() if self._wire.is_text else None
        messages = EnvelopedMessages(self.codec.decode, reader, text)
        if self._request_streaming:
            let_pause(call.scope)
            call.messages = messages
        else:
            call.messages, call.is_whole = OneMessage(self.codec.decode, messages), True

"""RPCs whose messages come in envelopes, of every kind: gRPC, gRPC-Web and Connect's streams."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import cached_property
from typing import Any

import grpc

from ..calls.call import Call
from ..calls.http_stream import BeginAnswer, HttpStream
from ..calls.incoming import Incoming, Receive
from ..calls.messages import RequestMessages
from ..calls.response import Answering, Send
from ..calls.runner import CallRunner, Scope, let_pause
from ..calls.straight import answer_straight
from ..rpc.metadata import Headers
from ..rpc.status import CallError
from .base64_text import Base64Reader
from .codecs import Codec, Decoder
from .compression import KNOWN, most_compressed
from .endpoint import UNREADABLE, RequestHead, WireEndpoint, check_metadata, refuse
from .enveloped_response import EnvelopedEvents, EnvelopedFormat, ResponseForm
from .envelopes import PREFIX_BYTES, EnvelopeReader, only_message
from .straight_request import StraightRequest
from .straight_response import StraightResponse


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


class EnvelopedEndpoint(WireEndpoint):
    """Answers the requests of one RPC, of whatever kind, that have one content type.

    Args:
        wire: The protocol.
        content_type: Of the requests and of the responses.

    Attributes:
        constant: The headers that all responses have.
        request_streaming: Whether requests are streams.
        response_streaming: Whether responses are.
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
        self.wire = wire
        self.constant = (b"content-type", content_type), (wire.accept_encoding, KNOWN)
        handler = runner.handler
        self.request_streaming = handler.request_streaming
        self.response_streaming = handler.response_streaming
        most = PREFIX_BYTES + most_compressed(max_message_bytes)
        self.max_body_bytes = most * 4 // 3 + 8 if wire.is_text else most

    def answer(self, scope: Scope, receive: Receive, send: Send) -> Answering:
        wire, codec = self.wire, self.codec
        refusal = wire.refusal(scope)
        if refusal is not None:
            return refuse(self.runner, refusal, scope, receive, send)
        call = _EnvelopedCall(scope, receive, self.plain, codec.encode, self.max_body_bytes)
        call.reserved = wire.of_requests
        head, failure = self._read(scope["headers"])
        self._limit_time(call, head.timeout)
        if failure is not None:
            call.refuse(failure)
        elif self.request_streaming:
            let_pause(scope)
            call.messages = self.messages(head)
        else:
            call.endpoint, call.head = self, head
            call.is_whole = call.is_plain = True
        response = EnvelopedEvents(send, self.form(head))
        if self.response_streaming:
            call.stream, call.tells_early = response, True
        return self.runner.run(call, send, response)

    def straight(self, scope: Scope) -> BeginAnswer | None:
        head, failure = self._read(scope["headers"])
        if failure is not None:
            return None
        return EnvelopedRequest(self, scope, head)

    def form(self, head: RequestHead) -> ResponseForm:
        """The form of the responses to requests with such headers."""
        return ResponseForm(self.codec.encode, self.wire, self.constant, head.compressing)

    def _read(self, headers: Headers) -> tuple[RequestHead, CallError | None]:
        """Reads the headers of a request, and says why it cannot be a call."""
        try:
            check_metadata(headers)
            return self.wire.head(dict(headers)), None
        except CallError as failure:
            return UNREADABLE, failure

    def plain(self, body: bytes) -> Any:
        """Reads a body that is one message, not compressed; None: it is not."""
        if self.wire.is_text:
            return None
        message = only_message(body, self.max_message_bytes)
        return None if message is None else self.codec.decode(message)

    def messages(self, head: RequestHead) -> RequestMessages:
        decode = self.codec.decode
        reader = EnvelopeReader(self.max_message_bytes, head.compressing.decompress)
        text = Base64Reader() if self.wire.is_text else None
        messages = EnvelopedMessages(decode, reader, text)
        return messages if self.request_streaming else OneMessage(decode, messages)


class _EnvelopedCall(Call):
    """A call by ASGI."""

    endpoint: EnvelopedEndpoint
    head: RequestHead

    @cached_property
    def messages(self) -> RequestMessages:
        return self.endpoint.messages(self.head)


class EnvelopedRequest(StraightRequest["EnvelopedEndpoint"]):
    """What answers requests straight on their streams that say the same."""

    def __init__(self, endpoint: EnvelopedEndpoint, scope: Scope, head: RequestHead) -> None:
        super().__init__(endpoint, scope, endpoint.wire.of_requests, head)
        self._form = endpoint.form(head)

    def __call__(self, stream: HttpStream) -> Coroutine[Any, Any, None]:
        """Follows `BeginAnswer`."""
        endpoint, call = self._endpoint, self._begin(stream)
        response = StraightResponse(stream, self._form)
        if endpoint.response_streaming:
            call.stream, call.tells_early = response, True
        if endpoint.request_streaming:
            stream.let_pause()
        else:
            call.is_whole = True
        return answer_straight(endpoint.runner, call, response)

    def plain(self, body: bytes) -> Any:
        return self._endpoint.plain(body)

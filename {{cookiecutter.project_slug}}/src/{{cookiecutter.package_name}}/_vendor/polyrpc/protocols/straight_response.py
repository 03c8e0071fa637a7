"""The response of a call whose messages come in envelopes, straight on a stream of HTTP/2."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..calls.context import HttpServicerContext
from ..calls.response import Encoder
from ..calls.stream_call import HttpStream, StreamCall
from ..rpc.status import CallError
from .enveloped_response import ConstantHeaders, EnvelopedFormat, EnvelopedResponse
from .envelopes import envelope
from .request_head import Compressing


class StraightResponse(EnvelopedResponse):
    """One that goes straight to a stream.

    Args:
        stream: Where it goes.
        encode: Writes a message.
        wire: The protocol.
        constant: The headers that all responses have.
        compressing: What the request has asked for.
    """

    def __init__(
        self,
        stream: HttpStream,
        encode: Encoder,
        wire: EnvelopedFormat,
        constant: ConstantHeaders,
        compressing: Compressing,
    ) -> None:
        super().__init__(encode, wire, constant, compressing)
        self._stream = stream
        self._is_plain = wire.has_trailers and not compressing.prefers_gzip

    async def begin(self, context: HttpServicerContext) -> None:
        headers = [*self._constant, *self.headers(context)]
        self._stream.send_headers(200, headers)
        self._started = True

    async def settle(self, call: StreamCall, outcome: CallError | None) -> None:
        """Sends what is left when a call has ended."""
        stream = self._stream
        trailers = self.trailers(call, outcome)
        if self._is_plain and outcome is None and call.body is not None and not call.compression:
            # As below, in as few steps as there can be.
            last = envelope(call.body)
        else:
            last = self.last(call, outcome)
        if not self._started:
            headers: Sequence[tuple[bytes, bytes]] = ()
            if call.headers or call.initial_metadata or not self._is_plain or call.compression:
                headers = self.headers(call)
            call.headers_sent = True
            if stream.send_whole(self._constant, headers, last, trailers):
                return
            await self.begin(call)
        if trailers is None:
            await stream.send(last, end=True)
            return
        # Also if nothing is left: a message that a task of the handler's still sends comes first.
        await stream.send(last)
        stream.send_trailers(trailers)

    async def _write(self, chunk: bytes) -> None:
        stream = self._stream
        sent = stream.sent
        try:
            await stream.send(chunk)
        except asyncio.CancelledError:
            # What came behind a part of it would be taken for the rest; trailers would not.
            if not self._wire.has_trailers and stream.sent > sent:
                stream.fail()
            raise

"""The response of a call whose messages come in envelopes, straight on a stream of HTTP/2."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from ..calls.context import HttpServicerContext
from ..calls.http_stream import HttpStream
from ..calls.stream_call import StreamCall
from ..rpc.status import CallError
from .enveloped_response import EnvelopedResponse, ResponseForm
from .envelopes import envelope


class StraightResponse(EnvelopedResponse):
    """One that goes straight to a stream.

    Args:
        stream: Where it goes.
        form: What others have in common with it.
    """

    def __init__(self, stream: HttpStream, form: ResponseForm) -> None:
        self._stream = stream
        self._form = form

    async def begin(self, context: HttpServicerContext) -> None:
        headers = [*self._form.constant, *self.headers(context)]
        self._stream.send_headers(200, headers)
        self._started = True

    async def settle(self, call: StreamCall, outcome: CallError | None) -> None:
        """Sends what is left when a call has ended."""
        stream, form = self._stream, self._form
        trailers = form.wire.trailers(outcome, call)
        if form.is_plain and outcome is None and call.body is not None and not call.compression:
            # As below, in as few steps as there can be.
            last = envelope(call.body)
        else:
            last = self.last(call, outcome)
        if not self._started:
            headers: Sequence[tuple[bytes, bytes]] = ()
            if call.headers or call.initial_metadata or not form.is_plain or call.compression:
                headers = self.headers(call)
            call.headers_sent = True
            if stream.send_whole(form.constant, headers, last, trailers):
                return
            await self.begin(call)
        if trailers is None:
            await stream.send(last, end=True)
            return
        # Also if nothing is left: a message that a task of the handler's still sends comes first.
        await stream.send(last)
        stream.send_trailers(trailers)

    def _write(self, chunk: bytes) -> Awaitable[None] | None:
        return None if self._stream.send_now(chunk) else self._write_slowly(chunk)

    async def _write_slowly(self, chunk: bytes) -> None:
        stream = self._stream
        sent = stream.sent
        try:
            await stream.send(chunk)
        except asyncio.CancelledError:
            # What came behind a part of it would be taken for the rest; trailers would not.
            if not self._form.wire.has_trailers and stream.sent > sent:
                stream.fail()
            raise

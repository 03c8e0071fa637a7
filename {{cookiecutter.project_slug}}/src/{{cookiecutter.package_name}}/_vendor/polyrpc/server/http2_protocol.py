"""One HTTP/2 connection on its transport: its reading and writing, and how it ends.

All that is ready to be sent in a turn of the event loop is one write.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any

from ..calls.http_stream import ON_DISCONNECT, REQUEST_STREAM, TRAILERS
from .connections import (
    LINGER_SECONDS,
    LOOK_SECONDS,
    ClientConnection,
    Connections,
)
from .header_decoder import MAX_LIST_BYTES
from .http2_connection import Http2Connection
from .http2_exchange import Http2Exchange
from .http2_frames import (
    DATA,
    FRAME_HEADER,
    FRAME_HEADER_BYTES,
    LARGEST_STREAM_ID,
    MAX_FRAME_BYTES,
    PING,
    PREFACE,
    ConnectionFault,
    ErrorCode,
    frame,
    goaway,
    joined_data,
)
from .http2_patience import Patience
from .http2_request import Http2Request
from .http2_stream import Stream

logger = logging.getLogger("polyrpc.server")

_FLUSH_BYTES = 64 * 1024
_LARGE_PART_BYTES = 1024  # On average: smaller ones are sooner put together than sent apart.
_LAST_PING = b"farewell"
_UNASKED = object()
_WITHOUT_BODY = ("GET", "HEAD")
_SERVING, _PARTING, _PARTED, _ENDING = range(4)


class Http2Protocol(ClientConnection):
    """A connection by HTTP/2.

    It ends in two steps, so that nothing that the client has asked for is lost: it is told to ask
    no more, and asked for an answer to that; what it had asked for until then is still served.

    Attributes:
        write_paused: The client is slow to take what was written.
    """

    def __init__(self, connections: Connections, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(connections, loop)
        self._max_list_bytes = min(self._limits.max_header_bytes, MAX_LIST_BYTES)
        self._common: dict[str, Any] = {}
        self._extensions: dict[str, Any] = {TRAILERS: {}}
        self._state = _SERVING
        # What has arrived of a frame, or of the preface.
        self._unread = b""
        # What answers without ASGI, as the application has said in this read.
        self._table: Any = _UNASKED
        self._has_preface = False
        # Requests that came just now and have long bodies.
        self._long: list[tuple[Stream, Coroutine[Any, Any, None]]] = []
        # What is to be sent.
        self._out: list[bytes | memoryview] = []
        self._out_bytes = 0
        self._is_receiving = self._is_scheduled = self._takes_parts = False
        self.write_paused = False
        self._patience = Patience(self._limits, loop.time())

    # What asyncio calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # a wider one in typeshed
        self._enter(transport)
        self._common = {**self._common_scope(self._extensions), "http_version": "2"}
        self._takes_parts = self._common["scheme"] == "http"  # Each would be a record of its own.
        self._connection = Http2Connection(self, self._loop, self._max_list_bytes)
        if self.connections.stopping:
            self._part()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - it does not matter
        self._leave()
        self._state = _ENDING
        self._out.clear()
        self._unread = b""
        self._connection.lose()

    def data_received(self, data: bytes) -> None:
        if self._state == _ENDING:
            return
        self._patience.heard(len(data))
        if self._unread:
            data = self._unread + data
        self._is_receiving = True
        self._table = _UNASKED
        try:
            self._unread = self._take(data)
        except ConnectionFault as fault:
            self._fail(fault)
        self._is_receiving = False
        if self._long:
            self._start_long()
        self._patience.has_part(self._loop.time() if self._unread else None)
        # After the tasks that answer what has come: most of them end in their first step.
        self._schedule()

    def pause_writing(self) -> None:
        self.write_paused = True
        # Whoever does not read what is answered gets no more answers: to pings, for one.
        if not self._read_paused and self._state != _ENDING:
            self._read_paused = True
            self.transport.pause_reading()
            self._look_in(LOOK_SECONDS)

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._read_paused:
            self._read_paused = False
            self._patience.begin_anew(self._loop.time(), self._connection)
            self.transport.resume_reading()
        self._connection.windows.used_window()

    # What the server calls

    def finish(self) -> None:
        """Asks the client for nothing more, answers what it has asked, and closes."""
        if self._state == _ENDING:
            self._patience.linger(self._loop.time() + LINGER_SECONDS)
        self._part()
        self._look_in(0.0)

    # What the connection calls

    def write(self, data: bytes) -> None:
        """Sends frames, together with all others of this turn of the event loop."""
        if self._state == _ENDING:
            return
        self._out.append(data)
        self._out_bytes += len(data)
        if self._out_bytes > _FLUSH_BYTES:
            self._flush()
        elif not (self._is_scheduled or self._is_receiving):
            self._schedule()

    def write_parts(self, parts: Sequence[bytes | memoryview]) -> None:
        """Does the same, with what they are made of."""
        if self._state == _ENDING:
            return
        self._out += parts
        self._out_bytes += sum(map(len, parts))
        if self._out_bytes > _FLUSH_BYTES:
            self._flush()
        elif not (self._is_scheduled or self._is_receiving):
            self._schedule()

    def begin(self, stream: Stream, request: Http2Request) -> None:
        """Has a request answered, by what becomes the stream's handler."""
        connections = self.connections
        stream.is_head = request.method == "HEAD"
        if connections.origins is not None:
            stream.allowed = connections.allowed_to(request.headers)
        if request.refusal is not None:
            stream.refuse(request.refusal)
            return
        if connections.straight is not None:
            table = self._table
            if table is _UNASKED:
                # It may change between two reads; nobody can change it within one.
                table = self._table = connections.straight()
            if request.table is not table:
                request.table = table
                request.straight = None
                if table is not None and not request.awaits_continue:
                    scope = {
                        **self._common,
                        **request.scope,
                        "headers": request.headers,
                        "extensions": self._extensions,
                    }
                    request.straight = table.find(scope)
        if request.straight is not None:
            work = request.straight(stream)
        else:
            work = self._by_asgi(stream, request)
        if request.length is not None and request.length > MAX_FRAME_BYTES:
            self._long.append((stream, work))
        else:
            connections.calls.start(work, self._loop, self._connection)

    def _by_asgi(self, stream: Stream, request: Http2Request) -> Coroutine[Any, Any, None]:
        headers = list(request.headers)
        if not stream.more_body and request.length is None and request.method not in _WITHOUT_BODY:
            # Applications take what says nothing of its length for a request with content.
            headers.append((b"content-length", b"0"))
        scope = {
            **self._common,
            **request.scope,
            "headers": headers,
            "state": {},
            "extensions": {
                **self._extensions,
                REQUEST_STREAM: stream.let_pause,
                ON_DISCONNECT: stream.on_lost,
            },
        }
        stream.awaits_continue = request.awaits_continue and stream.more_body
        return Http2Exchange(stream, scope).run(self.connections.app)

    def _start_long(self) -> None:
        """Has requests answered whose bodies take several frames, a turn later if they are cut.

        The rest comes while others are answered, as a rule, and a call that need not wait for it
        costs less.
        """
        start, loop = self.connections.calls.start, self._loop
        for stream, work in self._long:
            if stream.more_body:
                loop.call_soon(start, work, loop, self._connection)
            else:
                start(work, loop, self._connection)
        self._long.clear()

    def idle(self) -> None:
        """The last stream has ended."""
        if self._state == _ENDING:  # Nobody is looked after any more whose connection is lost.
            return
        self._patience.idle(self._loop.time())
        if self._state == _PARTED or self._connection.is_leaving:
            self._look_in(0.0)

    def acknowledged(self, data: bytes) -> None:
        """The client has answered a ping."""
        if data == _LAST_PING and self._state == _PARTING:
            self._say_last()

    # Reading

    def _take(self, data: bytes) -> bytes:
        """Takes all frames that are complete, and returns what is left."""
        position = 0
        if not self._has_preface:
            if not data.startswith(PREFACE):
                if not PREFACE.startswith(data):
                    raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "no preface")
                return data
            self._has_preface = True
            position = len(PREFACE)
        take = self._connection.take
        end = len(data)
        while end - position >= FRAME_HEADER_BYTES:
            high, low, kind, flags, stream_id = FRAME_HEADER.unpack_from(data, position)
            length = high << 8 | low
            if length > MAX_FRAME_BYTES:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "too large a frame")
            start = position + FRAME_HEADER_BYTES
            if start + length > end:
                break
            if length == MAX_FRAME_BYTES and kind == DATA and not flags:
                # As clients send long bodies.
                flags, payload, position = joined_data(data, start, stream_id)
            else:
                position = start + length
                payload = data[start:position]
            take(kind, flags, stream_id & LARGEST_STREAM_ID, payload)
        return data[position:] if position < end else b""

    # Writing

    def _schedule(self) -> None:
        if self._out and not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_scheduled = False
        out = self._out
        if out and not self.transport.is_closing():
            self._written += self._out_bytes
            if self._takes_parts and self._out_bytes > len(out) * _LARGE_PART_BYTES:
                self.transport.writelines(out)
            else:
                self.transport.write(out[0] if len(out) == 1 else b"".join(out))
        out.clear()
        self._out_bytes = 0

    # Ending

    def _part(self) -> None:
        """Tells the client to ask for nothing more, and waits until it knows."""
        if self._state == _SERVING:
            self._state = _PARTING
            self.write(goaway(LARGEST_STREAM_ID, ErrorCode.NO_ERROR))
            self.write(frame(PING, 0, 0, _LAST_PING))
            self._patience.linger(self._loop.time() + LINGER_SECONDS)
            self._look_in(LINGER_SECONDS)

    def _say_last(self) -> None:
        """Tells the client what has reached the server: nothing else will be served."""
        self._state = _PARTED
        connection = self._connection
        connection.accepts_until = connection.last_id
        self.write(goaway(connection.last_id, ErrorCode.NO_ERROR))
        self._patience.linger(None)
        if not connection.streams:
            self._linger()

    def _fail(self, fault: ConnectionFault) -> None:
        """Ends the connection for what the client has sent."""
        level = logging.WARNING if fault.code == ErrorCode.ENHANCE_YOUR_CALM else logging.DEBUG
        logger.log(level, "closed the connection of %s: %s", self._common["client"], fault.detail)
        self.write(goaway(self._connection.last_id, fault.code, fault.detail))
        self._connection.lose()
        self._linger(LINGER_SECONDS)

    def _linger(self, seconds: float | None = None) -> None:
        """Says that nothing more comes, and waits for the client to see that."""
        self._flush()
        self._state = _ENDING
        self._unread = b""
        if self._read_paused:
            self._read_paused = False
            self.transport.resume_reading()
        self._end_writing()
        if seconds is None:
            is_stopping = self.connections.stopping
            seconds = LINGER_SECONDS if is_stopping else self._limits.read_timeout
        self._patience.linger(self._loop.time() + seconds)
        self._look_in(LINGER_SECONDS)

    # Looking after the client

    def _look(self) -> None:
        """Ends what takes its client too long."""
        now = self._loop.time()
        transport, connection, patience = self.transport, self._connection, self._patience
        waiting = transport.get_write_buffer_size()
        if self._has_given_up(now, waiting):
            transport.abort()
            return
        if self._state == _ENDING:
            if patience.is_over(now) and not waiting:
                transport.abort()
                return
        else:
            try:
                patience.check(now, connection)
            except ConnectionFault as fault:
                self._fail(fault)
                return
            if self._state == _SERVING and patience.wants_to_part(now, connection):
                self._part()
            elif self._state == _PARTING and patience.is_over(now):
                self._say_last()
            # Over TLS nothing says that no more is written: who leaves is served until it has left.
            has_left = connection.is_leaving and transport.can_write_eof()
            if not connection.streams and (self._state == _PARTED or has_left):
                self._linger()
                return
        longest = LOOK_SECONDS if self._read_paused else self._limits.read_timeout
        self._look_in(min(patience.left(now, connection), longest))

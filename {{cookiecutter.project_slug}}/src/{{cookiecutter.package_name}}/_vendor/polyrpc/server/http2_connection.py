"""What an HTTP/2 connection is made of: frames in, streams, and frames out (RFC 9113).

It knows no transport, no clock but the event loop's, and no application.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from . import http2_allowance as cost
from . import http2_frames as wire
from .header_encoder import EMPTY_TABLE
from .http2_allowance import Allowance
from .http2_frames import ConnectionFault, ErrorCode, StreamFault
from .http2_header_blocks import TABLE_BYTES, HeaderBlocks
from .http2_stream import STREAM_WINDOW, Stream
from .http2_unfinished import UnfinishedRequests
from .http2_windows import CONNECTION_WINDOW, Windows

if TYPE_CHECKING:
    from .http2_protocol import Http2Protocol

MAX_STREAMS = 100
"""How many requests a client may have in flight on a connection."""

_REMEMBERED_STREAMS = 512


class Http2Connection:
    """Streams of one client, and what it may still send and be sent.

    Args:
        endpoint: Who made it.
        max_list_bytes: What the client is told of the limit for headers.

    Attributes:
        connections: The others of the server, and what holds for all.
        streams: Those that have not ended.
        last_id: The newest stream.
        running: How many requests are being answered, also such as nobody waits for any more.
        windows: How much of bodies each side may send.
        blocks: The headers that the client sends.
        frame_bytes: The largest payload of a frame that it takes.
        resize: What the next block of headers must begin with.
        is_started: The client has sent its settings.
        is_leaving: The client has said that it asks for nothing more.
        accepts_until: The newest stream that is served; those after it are ignored.
        allowance: What the client may do that brings nothing along.
    """

    def __init__(
        self, endpoint: Http2Protocol, loop: asyncio.AbstractEventLoop, max_list_bytes: int
    ) -> None:
        self._endpoint = endpoint
        self.write: Callable[[bytes], None] = endpoint.write
        self.write_parts: Callable[[Sequence[bytes | memoryview]], None] = endpoint.write_parts
        self.connections = endpoint.connections
        self._loop = loop
        self.streams: dict[int, Stream] = {}
        self.last_id = self.running = 0
        self.windows = Windows(endpoint, loop)
        self.blocks = HeaderBlocks(self.now, self._set_table, max_list_bytes)
        self.frame_bytes = wire.MAX_FRAME_BYTES
        self.is_started = self.is_leaving = False
        self.accepts_until = wire.LARGEST_STREAM_ID
        self.allowance = Allowance()
        self._unrewarded = 0
        self._unfinished = UnfinishedRequests(loop, self._stop_request)
        # Streams that have ended lately: such of which more may be on its way, and all others,
        # which come and go by the thousand meanwhile.
        self._cut_short = _Lately()
        self._past = _Lately()
        self.resize = b""
        # What is to be done when the client has taken over settings that it was sent.
        self._unsettled: list[Callable[[], None] | None] = [None]
        self.write(
            wire.settings_frame(
                (
                    (wire.MAX_CONCURRENT_STREAMS, MAX_STREAMS),
                    (wire.INITIAL_WINDOW_SIZE, STREAM_WINDOW),
                    (wire.MAX_HEADER_LIST_SIZE, max_list_bytes),
                )
            )
            + wire.window_update(0, CONNECTION_WINDOW - wire.DEFAULT_WINDOW)
        )

    # What its endpoint calls

    def take(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        """Takes a frame.

        Raises:
            ConnectionFault: It ends the connection.
        """
        unfinished = self.blocks.stream_id
        if unfinished and (kind != wire.CONTINUATION or stream_id != unfinished):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a frame between those of headers")
        if not self.is_started and kind != wire.SETTINGS:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "no settings")
        try:
            if kind == wire.DATA:
                self._take_data(flags, stream_id, payload)
            elif kind == wire.HEADERS:
                block = self.blocks.begin(flags, stream_id, payload)
                if block is not None:
                    self._take_block(stream_id, block)
            else:
                self._take_other(kind, flags, stream_id, payload)
        except StreamFault as fault:
            self.allowance.spend(cost.FAULT_COST, "faults")
            stream = self.streams.get(fault.stream_id)
            if stream is not None:
                self.reset(stream, fault.code)
            else:
                self.write(wire.rst_stream(fault.stream_id, fault.code))
                self._remember(fault.stream_id, may_come=True)

    def lose(self) -> None:
        """Nothing can be sent any more, on any stream."""
        self._unfinished.clear()
        for stream in list(self.streams.values()):
            self._forget(stream, may_come=True)
            stream.lose()

    # What its streams call

    def now(self) -> float:
        """The event loop's time."""
        return self._loop.time()

    def header_frames(self, stream_id: int, block: bytes, *, end_stream: bool) -> bytes:
        """Makes frames of encoded headers, to be sent before any others."""
        if self.resize:
            block, self.resize = self.resize + block, b""
        return wire.header_frames(stream_id, block, self.frame_bytes, end_stream=end_stream)

    def wrote(self, size: int, *, at_once: bool) -> None:
        """Gives back for what was sent: bytes, and a whole part of a response."""
        unrewarded = self._unrewarded + size
        self._unrewarded = unrewarded % cost.BYTES_OF_A_GAIN
        whole = cost.WRITTEN_GAIN if at_once else 0
        self.allowance.gain(whole + unrewarded // cost.BYTES_OF_A_GAIN)

    def answered(self, stream: Stream, size: int) -> None:
        """All of the response was sent, at once; so many bytes were its body."""
        unrewarded = self._unrewarded + size
        self._unrewarded = unrewarded % cost.BYTES_OF_A_GAIN
        self.ended(stream, cost.WRITTEN_GAIN + unrewarded // cost.BYTES_OF_A_GAIN)

    def ended(self, stream: Stream, gain: int = 0) -> None:
        """The response is complete, whether or not the request is."""
        self.allowance.gain(cost.ANSWERED_GAIN + gain)
        if stream.more_body:
            self._unfinished.add(stream.id)
        self._forget(stream, may_come=stream.more_body)

    def reset(self, stream: Stream, code: ErrorCode) -> None:
        """Ends a stream at once."""
        if stream.id in self.streams:
            self.write(wire.rst_stream(stream.id, code))
            self._forget(stream, may_come=True)
        stream.lose()

    # Frames

    def _take_other(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if kind == wire.WINDOW_UPDATE:
            self._take_window(stream_id, wire.read_word(payload))
        elif kind == wire.RST_STREAM:
            wire.read_word(payload)
            self._take_reset(stream_id)
        elif kind == wire.PRIORITY:
            self._take_priority(stream_id, payload)
        elif kind == wire.CONTINUATION:
            self.allowance.spend(cost.CONTINUATION_COST, "CONTINUATION frames")
            block = self.blocks.go_on(flags, payload)
            if block is not None:
                self._take_block(stream_id, block)
        elif kind in (wire.SETTINGS, wire.PING, wire.GOAWAY):
            if stream_id:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "of a stream, not the connection")
            self._take_of_connection(kind, flags, payload)
        elif kind == wire.PUSH_PROMISE:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a client does not push")
        else:
            self.allowance.spend(cost.UNKNOWN_COST, "unknown frames")

    def _take_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        size = len(payload)
        windows = self.windows
        windows.receive_window -= size
        if windows.receive_window < 0:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "more than the window")
        stream = self.streams.get(stream_id)
        if stream is None or not stream.more_body:
            windows.give_back(size)
            self._unfinished.hear(stream_id, size, end=bool(flags & wire.END_STREAM))
            if stream is None and self._is_over(stream_id):
                return
            raise StreamFault(stream_id, ErrorCode.STREAM_CLOSED)
        stream.receive_window -= size
        if stream.receive_window < 0:
            windows.give_back(size)
            raise StreamFault(stream_id, ErrorCode.FLOW_CONTROL_ERROR)
        data = payload
        if flags & wire.PADDED:
            data = wire.without_padding(flags, payload)
            windows.consumed(stream, size - len(data))
        end = bool(flags & wire.END_STREAM)
        if data or end:
            gain = cost.DATA_GAIN
            if size > wire.MAX_FRAME_BYTES:  # Several frames were taken for one.
                gain *= 1 + (size - 1) // wire.MAX_FRAME_BYTES
            self.allowance.gain(gain)
        else:
            self.allowance.spend(cost.EMPTY_DATA_COST, "empty DATA frames")
        try:
            stream.feed(data, end=end)
        except StreamFault:
            windows.give_back(len(data))  # Nobody takes it.
            raise

    def _take_block(self, stream_id: int, block: bytes) -> None:
        if stream_id > self.last_id:
            self._begin(stream_id, block)
            return
        trailers = self.blocks.trailers(block)
        stream = self.streams.get(stream_id)
        if stream is None:
            self._unfinished.hear(stream_id, 0, end=self.blocks.ends_stream)
            if self._is_over(stream_id):
                return
            raise ConnectionFault(ErrorCode.STREAM_CLOSED, "headers of a stream that has ended")
        if not stream.more_body:
            raise StreamFault(stream_id, ErrorCode.STREAM_CLOSED)
        if trailers is None:
            raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR)
        stream.trailers = trailers
        stream.feed(b"", end=True)

    def _begin(self, stream_id: int, block: bytes) -> None:
        end = self.blocks.ends_stream
        self.last_id = stream_id
        request = self.blocks.request(block)
        if stream_id > self.accepts_until:
            self._remember(stream_id, may_come=True)
            return
        if request is None:
            raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR)
        if len(self.streams) >= MAX_STREAMS or self.running >= 2 * MAX_STREAMS:
            self.allowance.spend(cost.REFUSED_COST, "requests")
            self.write(wire.rst_stream(stream_id, ErrorCode.REFUSED_STREAM))
            self._remember(stream_id, may_come=True)
            return
        if end and request.length:
            raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR)
        stream = Stream(self, self.windows, stream_id, request.length, not end, self._loop.time())
        self.streams[stream_id] = stream
        self._endpoint.begin(stream, request)

    def _take_window(self, stream_id: int, increment: int) -> None:
        self.allowance.spend(cost.WINDOW_COST, "WINDOW_UPDATE frames")
        if not stream_id:
            self.windows.update(increment)
            return
        stream = self.streams.get(stream_id)
        if stream is None:
            self._check_begun(stream_id)
        else:
            self.windows.update_stream(stream, increment)

    def _take_reset(self, stream_id: int) -> None:
        stream = self.streams.get(stream_id)
        if stream is None:
            self._check_begun(stream_id)
            self._unfinished.hear(stream_id, 0, end=True)
            self.allowance.spend(cost.UNKNOWN_COST, "RST_STREAM frames")
            return
        self.allowance.spend(cost.RESET_COST, "requests that are given up at once")
        self._forget(stream, may_come=False)
        stream.lose()

    def _take_priority(self, stream_id: int, payload: bytes) -> None:
        self.allowance.spend(cost.PRIORITY_COST, "PRIORITY frames")
        if not stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a priority of no stream")
        if len(payload) != 5:
            raise StreamFault(stream_id, ErrorCode.FRAME_SIZE_ERROR)
        if wire.read_dependency(payload) == stream_id:
            raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR)

    def _take_of_connection(self, kind: int, flags: int, payload: bytes) -> None:
        if kind == wire.SETTINGS:
            self._take_settings(flags, payload)
        elif kind == wire.PING:
            if len(payload) != 8:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a ping of the wrong length")
            self.allowance.spend(cost.PING_COST, "PING frames")
            if flags & wire.ACK:
                self._endpoint.acknowledged(payload)
            else:
                self.write(wire.frame(wire.PING, wire.ACK, 0, payload))
        else:
            if len(payload) < 8:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a GOAWAY cut short")
            self.allowance.spend(cost.SETTINGS_COST, "GOAWAY frames")
            self.is_leaving = True
            if not self.streams:
                self._endpoint.idle()

    def _take_settings(self, flags: int, payload: bytes) -> None:
        self.allowance.spend(cost.SETTINGS_COST, "SETTINGS frames")
        if flags & wire.ACK:
            if payload:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "settings acknowledged by some")
            if not self.is_started:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "no settings")
            then = self._unsettled.pop(0) if self._unsettled else None
            if then is not None:
                then()
            return
        for identifier, value in wire.read_settings(payload):
            if identifier == wire.INITIAL_WINDOW_SIZE:
                self.windows.change_initial(value, self.streams.values())
            elif identifier == wire.MAX_FRAME_SIZE:
                self.frame_bytes = min(value, 4 * wire.MAX_FRAME_BYTES)
            elif identifier == wire.HEADER_TABLE_SIZE and value < TABLE_BYTES:
                self.resize = EMPTY_TABLE
        self.is_started = True
        self.write(wire.frame(wire.SETTINGS, wire.ACK, 0))

    # Account

    def _forget(self, stream: Stream, *, may_come: bool) -> None:
        if self.streams.pop(stream.id, None) is None:
            return
        self.windows.release(stream)
        self._remember(stream.id, may_come=may_come)
        if not self.streams:
            self._endpoint.idle()

    def _stop_request(self, stream_id: int) -> None:
        self.write(wire.rst_stream(stream_id, ErrorCode.NO_ERROR))

    def _remember(self, stream_id: int, *, may_come: bool) -> None:
        (self._cut_short if may_come else self._past).add(stream_id)

    def _is_over(self, stream_id: int) -> bool:
        """Whether what comes for a stream that is no more is to be expected, and ignored.

        Raises:
            ConnectionFault: There has been no such stream, as far as that is known.
        """
        self._check_begun(stream_id)
        if stream_id in self._cut_short:
            return True
        if stream_id not in self._past:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a stream that was not begun")
        return False

    def _check_begun(self, stream_id: int) -> None:
        if not stream_id % 2 or stream_id > self.last_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a stream that was not begun")

    def _set_table(self, size: int, then: Callable[[], None] | None) -> None:
        self._unsettled.append(then)
        self.write(wire.settings_frame([(wire.HEADER_TABLE_SIZE, size)]))


class _Lately:
    """The streams that were added last, or a few more."""

    __slots__ = ("_before", "_now")

    def __init__(self) -> None:
        self._now: set[int] = set()
        self._before: set[int] = set()

    def add(self, stream_id: int) -> None:
        """Adds one, and forgets old ones all at once."""
        if len(self._now) >= _REMEMBERED_STREAMS:
            self._before, self._now = self._now, set()
        self._now.add(stream_id)

    def __contains__(self, stream_id: int) -> bool:
        return stream_id in self._now or stream_id in self._before

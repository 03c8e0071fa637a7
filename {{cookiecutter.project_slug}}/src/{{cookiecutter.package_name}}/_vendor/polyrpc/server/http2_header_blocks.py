"""Blocks of headers: put together from their frames, and decoded (RFC 9113, section 4.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from . import http2_frames as wire
from .header_decoder import MAX_BLOCK_BYTES, HeaderDecoder
from .http2_frames import ConnectionFault, ErrorCode

if TYPE_CHECKING:
    import zttp

TABLE_BYTES = 4096
"""How large the table is that clients may compress with: what HTTP/2 has if nothing is said."""

_NO_RENEWAL, _TABLE_IS_EMPTIED, _TABLE_IS_EMPTY = range(3)


class HeaderBlock(NamedTuple):
    """A block that is complete, still encoded.

    Attributes:
        stream_id: Whose it is.
        data: What header compression made of the fields.
        ends_stream: Nothing of the request follows.
        is_faulty: The stream is said to depend on itself.
    """

    stream_id: int
    data: bytes
    ends_stream: bool
    is_faulty: bool


class HeaderBlocks:
    """Those of one client, in the order in which they come.

    Args:
        now: The event loop's time.
        set_table: Tells the client how large a table it may compress with, and has the function
            called, if there is one, when it has acknowledged that.

    Attributes:
        stream_id: Whose block is incomplete: nothing else may come before the rest. 0: none is.
        since: Since when.
    """

    def __init__(
        self,
        now: Callable[[], float],
        set_table: Callable[[int, Callable[[], None] | None], None],
    ) -> None:
        self._now = now
        self._set_table = set_table
        self._decoder = HeaderDecoder()
        self._renewal = _NO_RENEWAL
        self._data = bytearray()
        self._ends_stream = self._is_faulty = False
        self.stream_id = 0
        self.since: float | None = None

    def begin(self, flags: int, stream_id: int, payload: bytes) -> HeaderBlock | None:
        """Takes a HEADERS frame.

        Returns:
            The block, if it is complete.

        Raises:
            ConnectionFault: The frame is none.
        """
        if not stream_id % 2:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a stream that clients do not open")
        data = wire.without_padding(flags, payload)
        is_faulty = False
        if flags & wire.PRIORITISED:
            if len(data) < 5:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a priority cut short")
            is_faulty = wire.read_dependency(data) == stream_id
            data = data[5:]
        ends_stream = bool(flags & wire.END_STREAM)
        if flags & wire.END_HEADERS:
            return HeaderBlock(stream_id, data, ends_stream, is_faulty)
        self.stream_id, self.since, self._data = stream_id, self._now(), bytearray(data)
        self._ends_stream, self._is_faulty = ends_stream, is_faulty
        return None

    def go_on(self, flags: int, payload: bytes) -> HeaderBlock | None:
        """Takes a CONTINUATION frame of the stream whose block is incomplete.

        Returns:
            The block, if it is complete now.

        Raises:
            ConnectionFault: There is no such stream, or it is far too large.
        """
        if not self.stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a continuation of nothing")
        self._data += payload
        if len(self._data) > MAX_BLOCK_BYTES:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "headers without end")
        if not flags & wire.END_HEADERS:
            return None
        data, self._data = bytes(self._data), bytearray()
        stream_id, self.stream_id, self.since = self.stream_id, 0, None
        return HeaderBlock(stream_id, data, self._ends_stream, self._is_faulty)

    def request(self, block: HeaderBlock) -> zttp.Request | None:
        """Decodes the headers of a request.

        Returns:
            None: they are malformed.

        Raises:
            ConnectionFault: They cannot be decoded, or are far too large.
        """
        request = self._decoder.request(block.data)
        if self._renewal or self._decoder.is_worn:
            self._renew_decoder()
        return None if block.is_faulty else request

    def trailers(self, block: HeaderBlock) -> list[tuple[bytes, bytes]] | None:
        """Decodes the trailers of a request; see `request`."""
        trailers = self._decoder.trailers(block.data)
        return trailers if block.ends_stream and not block.is_faulty else None

    def _renew_decoder(self) -> None:
        """Takes a new decoder into use as soon as that need not know what the old one does.

        A client that is told to use no table empties it. It may have one again when its next
        headers were encoded without.
        """
        if self._renewal == _NO_RENEWAL and self._decoder.is_worn:
            self._renewal = _TABLE_IS_EMPTIED
            self._set_table(0, self._put_decoder)
        elif self._renewal == _TABLE_IS_EMPTY:
            self._renewal = _NO_RENEWAL
            self._set_table(TABLE_BYTES, None)

    def _put_decoder(self) -> None:
        self._decoder = HeaderDecoder()
        self._renewal = _TABLE_IS_EMPTY

"""Blocks of headers: put together from their frames, and decoded (RFC 9113, section 4.3)."""

from __future__ import annotations

from collections.abc import Callable

from . import http2_frames as wire
from .header_decoder import MAX_BLOCK_BYTES, HeaderDecoder
from .http2_frames import ConnectionFault, ErrorCode
from .http2_request import REMEMBERED, REMEMBERED_BYTES, Http2Request, RequestReader

TABLE_BYTES = 4096
"""How large the table is that clients may compress with: what HTTP/2 has if nothing is said."""

# What the first byte of a field tells, and that of a string (RFC 7541, section 6).
_INDEXED, _LONG_INDEX, _CHANGES, _NAME_INDEX, _LENGTH = 0x80, 0xFF, 0x20, 0x0F, 0x7F
_MORE = 0x80

_PADDED_OR_PRIORITISED = wire.PADDED | wire.PRIORITISED
_NO_RENEWAL, _TABLE_IS_EMPTIED, _TABLE_IS_EMPTY = range(3)


class HeaderBlocks:
    """Those of one client, in the order in which they come.

    Args:
        now: The event loop's time.
        set_table: Tells the client how large a table it may compress with, and has the function
            called, if there is one, when it has acknowledged that.
        max_list_bytes: How large headers may be, as RFC 9113 counts.

    Attributes:
        ends_stream: Nothing of the request follows the newest block.
        stream_id: Whose block is incomplete: nothing else may come before the rest. 0: none is.
        since: Since when.
    """

    def __init__(
        self,
        now: Callable[[], float],
        set_table: Callable[[int, Callable[[], None] | None], None],
        max_list_bytes: int,
    ) -> None:
        self._now = now
        self._set_table = set_table
        self._reader = RequestReader(max_list_bytes)
        self._decoder = HeaderDecoder()
        # What blocks say that leave the table as it is, for as long as that is so: clients send the
        # same ones again and again.
        self._known: dict[bytes, Http2Request] = {}
        self._seen: set[bytes] = set()
        self._renewal = _NO_RENEWAL
        self._data = bytearray()
        # Its stream is said to depend on itself.
        self._is_faulty = False
        self.ends_stream = False
        self.stream_id = 0
        self.since: float | None = None

    def begin(self, flags: int, stream_id: int, payload: bytes) -> bytes | None:
        """Takes a HEADERS frame.

        Returns:
            The block, if it is complete.

        Raises:
            ConnectionFault: The frame is none.
        """
        if not stream_id % 2:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a stream that clients do not open")
        self.ends_stream = bool(flags & wire.END_STREAM)
        self._is_faulty = False
        if flags & _PADDED_OR_PRIORITISED:
            payload = self._unwrapped(flags, stream_id, payload)
        if flags & wire.END_HEADERS:
            return payload
        self.stream_id, self.since, self._data = stream_id, self._now(), bytearray(payload)
        return None

    def go_on(self, flags: int, payload: bytes) -> bytes | None:
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
        self.stream_id, self.since = 0, None
        return data

    def request(self, block: bytes) -> Http2Request | None:
        """Reads the headers of a request, which are the newest block.

        Returns:
            None: they are malformed.

        Raises:
            ConnectionFault: They cannot be decoded, or are far too large.
        """
        known = self._known.get(block)
        if known is None:
            decoded = self._decoder.request(block)
            if self._renewal or self._decoder.is_worn:
                self._renew_decoder()
            if decoded is not None:
                known = self._reader.read(decoded)
            self._remember(block, known)
        return None if self._is_faulty else known

    def trailers(self, block: bytes) -> list[tuple[bytes, bytes]] | None:
        """Decodes the trailers of a request; see `request`."""
        self._known.clear()
        trailers = self._decoder.trailers(block)
        return trailers if self.ends_stream and not self._is_faulty else None

    def _unwrapped(self, flags: int, stream_id: int, payload: bytes) -> bytes:
        """Takes off what a HEADERS frame may have around the block, or a part of it."""
        data = wire.without_padding(flags, payload)
        if not flags & wire.PRIORITISED:
            return data
        if len(data) < 5:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a priority cut short")
        self._is_faulty = wire.read_dependency(data) == stream_id
        return data[5:]

    def _remember(self, block: bytes, request: Http2Request | None) -> None:
        # A client whose blocks all differ, by their deadlines as a rule, costs no closer look.
        if block in self._seen or self._known:
            if changes_table(block):
                self._known.clear()
            elif request is not None and request.size <= REMEMBERED_BYTES:
                if len(self._known) >= REMEMBERED:
                    self._known.clear()
                self._known[block] = request
        elif len(block) <= REMEMBERED_BYTES:
            if len(self._seen) >= REMEMBERED:
                self._seen.clear()
            self._seen.add(block)

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
        self._known.clear()
        self._renewal = _TABLE_IS_EMPTY


def changes_table(block: bytes) -> bool:
    """Whether what follows a block of headers may mean something else because of it.

    That is so if it puts a field into the table, or makes that smaller or larger (RFC 7541, 6.2.1
    and 6.3), and as far as this knows, if a number in it takes more bytes than usual.
    """
    position, end = 0, len(block)
    try:
        while position < end:
            first = block[position]
            position += 1
            if first >= _INDEXED:
                if first == _LONG_INDEX:
                    return True
                continue
            if first >= _CHANGES:
                return True
            index = first & _NAME_INDEX
            if index == _NAME_INDEX:
                if block[position] >= _MORE:
                    return True
                position += 1
            for _ in range(1 if index else 2):
                length = block[position] & _LENGTH
                if length == _LENGTH:
                    return True
                position += 1 + length
    except IndexError:
        return True
    return False

"""Request headers out of HPACK (RFC 7541), by the package `zttp`, the extra `http2`.

It is a whole HTTP/2 parser, of which this takes the part that wants to be fast: the compression,
and what makes a request malformed. Its own account of streams, windows and floods fits no
connection that lives long: it counts 4096 streams, and 256 that the client has reset, and then
ends. So each block of headers is shown to it as a stream of its own, which is given up at once.
"""

from __future__ import annotations

import zttp

from .http2_frames import (
    END_HEADERS,
    HEADERS,
    MAX_FRAME_BYTES,
    PREFACE,
    SETTINGS,
    ConnectionFault,
    ErrorCode,
    frame,
    header_frames,
)

MAX_LIST_BYTES = 64 * 1024
"""How large a list of headers may be, as RFC 9113 counts (section 6.5.2): a name, a value, and 32
bytes for each."""

MAX_BLOCK_BYTES = 64 * 1024
"""How large it may be while it is compressed."""

_STREAMS = 2_000
_FAULTS = 100
_SOME_REQUEST = b"\x83\x84\x86"  # POST / by http, of the static table: trailers must follow one


class HeaderDecoder:
    """What a client's header blocks say, in the order in which they come.

    Attributes:
        is_worn: It has not long to live: another one must take its place, as soon as the table of
            compressed headers can be a new one.
    """

    __slots__ = ("_faults", "_parser", "_stream_id", "is_worn")

    def __init__(self) -> None:
        self._parser = zttp.Connection(zttp.SERVER, protocol=zttp.HTTP2)
        self._parser.receive_data(PREFACE + frame(SETTINGS, 0, 0))
        while self._parser.next_event() is not zttp.NEED_DATA:
            pass
        self._stream_id = 1
        self._faults = 0
        self.is_worn = False

    def request(self, block: bytes) -> zttp.Request | None:
        """Decodes the headers of a request.

        Returns:
            None: they are malformed.

        Raises:
            ConnectionFault: They cannot be decoded, and none can from now on; or they are far too
                large.
        """
        event = self._decode(header_frames(self._stream_id, block, MAX_FRAME_BYTES))
        return event if type(event) is zttp.Request else None

    def trailers(self, block: bytes) -> list[tuple[bytes, bytes]] | None:
        """Decodes the trailers of a request; see `request`."""
        request = frame(HEADERS, END_HEADERS, self._stream_id, _SOME_REQUEST)
        trailers = header_frames(self._stream_id, block, MAX_FRAME_BYTES, end_stream=True)
        event = self._decode(request + trailers, skip=1)
        return event.trailers if type(event) is zttp.EndOfMessage else None

    def _decode(self, frames: bytes, skip: int = 0) -> zttp.Event:
        parser, stream_id = self._parser, self._stream_id
        try:
            parser.receive_data(frames)
            event = parser.next_event()
            for _ in range(skip):
                event = parser.next_event()
        except zttp.RemoteProtocolError as error:
            code = ErrorCode.ENHANCE_YOUR_CALM
            if "HPACK" in str(error):
                code = ErrorCode.COMPRESSION_ERROR
            raise ConnectionFault(code, f"headers that cannot be decoded: {error}") from None
        if type(event) is zttp.RstStream:
            self._faults += 1
        else:
            parser.stream(stream_id).reset()
        parser.data_to_send()  # That is for nobody.
        self._stream_id = stream_id + 2
        if stream_id > 2 * _STREAMS or self._faults > _FAULTS:
            self.is_worn = True
        return event

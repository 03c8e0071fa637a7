"""The frames of HTTP/2 as bytes, and the faults that they may have (RFC 9113, sections 4 to 7)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import IntEnum

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEADER = struct.Struct(">HBBBL")
"""Length in 16 and 8 bits, type, flags and stream identifier."""

FRAME_HEADER_BYTES = 9
MAX_FRAME_BYTES = 16_384
"""How long the payload of a frame may be that is received: as short as a server can ask for."""

DEFAULT_WINDOW = 65_535
LARGEST_WINDOW = LARGEST_STREAM_ID = 2**31 - 1

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = range(5)
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(5, 10)
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITISED = 0x20
_LAST = END_HEADERS | END_STREAM

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = range(1, 5)
MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = 5, 6

_SETTING = struct.Struct(">HL")
_WORD = struct.Struct(">L")


class ErrorCode(IntEnum):
    """Why a stream or a connection ends (section 7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class ConnectionFault(Exception):  # noqa: N818 - what RFC 9113 calls a connection error
    """What the client has sent ends the connection.

    Args:
        code: What it is told.
        detail: For the log.
    """

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


class StreamFault(Exception):  # noqa: N818 - what RFC 9113 calls a stream error
    """What the client has sent ends a stream, and no more.

    Args:
        stream_id: The stream.
        code: What the client is told.
    """

    def __init__(self, stream_id: int, code: ErrorCode) -> None:
        super().__init__(stream_id, code)
        self.stream_id = stream_id
        self.code = code


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """Makes a frame of a payload that is no longer than the client takes."""
    size = len(payload)
    return FRAME_HEADER.pack(size >> 8, size & 0xFF, kind, flags, stream_id) + payload


def header_frames(stream_id: int, block: bytes, most: int, *, end_stream: bool = False) -> bytes:
    """Makes a HEADERS frame of an encoded block, and CONTINUATION frames as they are needed.

    Args:
        stream_id: The stream.
        block: What header compression made of the fields.
        most: The largest payload that the client takes.
        end_stream: Nothing follows on the stream.
    """
    flags = END_STREAM if end_stream else 0
    if len(block) <= most:
        return frame(HEADERS, flags | END_HEADERS, stream_id, block)
    parts = [frame(HEADERS, flags, stream_id, block[:most])]
    for start in range(most, len(block), most):
        is_last = start + most >= len(block)
        part = block[start : start + most]
        parts.append(frame(CONTINUATION, END_HEADERS if is_last else 0, stream_id, part))
    return b"".join(parts)


def response_frames(stream_id: int, block: bytes, data: bytes, trailers: bytes | None) -> bytes:
    """Makes the frames of a whole response, each of which is no longer than the client takes.

    Args:
        stream_id: The stream.
        block: Its encoded headers.
        data: The body.
        trailers: Encoded trailers; None: there are none.
    """
    pack, size = FRAME_HEADER.pack, len(block)
    first = pack(size >> 8, size & 0xFF, HEADERS, END_HEADERS, stream_id)
    size = len(data)
    body = pack(size >> 8, size & 0xFF, DATA, END_STREAM if trailers is None else 0, stream_id)
    if trailers is None:
        return b"".join((first, block, body, data))
    size = len(trailers)
    last = pack(size >> 8, size & 0xFF, HEADERS, _LAST, stream_id)
    if not data:
        return b"".join((first, block, last, trailers))
    return b"".join((first, block, body, data, last, trailers))


def long_response_frames(
    stream_id: int, block: bytes, data: bytes, trailers: bytes | None, most: int
) -> list[bytes | memoryview]:
    """Does the same where the body is longer, and gives what the frames are made of.

    Args:
        stream_id: The stream.
        block: Its encoded headers.
        data: The body.
        trailers: Encoded trailers; None: there are none.
        most: The largest payload that the client takes.
    """
    parts = data_frames(stream_id, data, 0, len(data), most, end=trailers is None)
    parts.insert(0, frame(HEADERS, END_HEADERS, stream_id, block))
    if trailers is not None:
        parts.append(frame(HEADERS, _LAST, stream_id, trailers))
    return parts


def data_frames(
    stream_id: int, data: bytes, start: int, stop: int, most: int, *, end: bool
) -> list[bytes | memoryview]:
    """Makes DATA frames of a slice of a body, which is not empty, and gives what they are made of.

    Args:
        stream_id: The stream.
        data: The body.
        start: Where in it the slice begins.
        stop: Where it ends.
        most: The largest payload that the client takes.
        end: Nothing follows on the stream.
    """
    parts: list[bytes | memoryview] = []
    view = memoryview(data)
    last = stop - 1 - (stop - start - 1) % most  # Where the payload of the last frame begins.
    if start < last:
        header = FRAME_HEADER.pack(most >> 8, most & 0xFF, DATA, 0, stream_id)
        for position in range(start, last, most):
            parts += header, view[position : position + most]
    size, flags = stop - last, END_STREAM if end else 0
    header = FRAME_HEADER.pack(size >> 8, size & 0xFF, DATA, flags, stream_id)
    parts += header, view[last:stop]
    return parts


def settings_frame(settings: Iterable[tuple[int, int]]) -> bytes:
    """Makes a SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*one) for one in settings))


def window_update(stream_id: int, increment: int) -> bytes:
    """Makes a WINDOW_UPDATE frame; stream 0 is the connection."""
    return frame(WINDOW_UPDATE, 0, stream_id, _WORD.pack(increment))


def rst_stream(stream_id: int, code: ErrorCode) -> bytes:
    """Makes a RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream_id, _WORD.pack(code))


def goaway(last_stream_id: int, code: ErrorCode, detail: str = "") -> bytes:
    """Makes a GOAWAY frame; the detail is for whoever debugs the client."""
    payload = _WORD.pack(last_stream_id) + _WORD.pack(code) + detail.encode()
    return frame(GOAWAY, 0, 0, payload)


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """Takes the payload of a SETTINGS frame apart.

    Raises:
        ConnectionFault: It is of no valid length, or a value is out of its range.
    """
    if len(payload) % _SETTING.size:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS of an odd length")
    settings = list(_SETTING.iter_unpack(payload))
    for identifier, value in settings:
        if identifier == ENABLE_PUSH and value > 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "ENABLE_PUSH is neither 0 nor 1")
        if identifier == INITIAL_WINDOW_SIZE and value > LARGEST_WINDOW:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a window too large")
        if identifier == MAX_FRAME_SIZE and not MAX_FRAME_BYTES <= value < 2**24:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "no valid MAX_FRAME_SIZE")
    return settings


def read_word(payload: bytes) -> int:
    """Reads 32 bits, the first of which is reserved or says something else.

    Raises:
        ConnectionFault: There are more, or fewer.
    """
    if len(payload) != _WORD.size:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a frame of the wrong length")
    value: int = _WORD.unpack(payload)[0]
    return value & LARGEST_WINDOW


def read_dependency(payload: bytes) -> int:
    """Reads the stream that another depends on, in what a PRIORITY frame or flag has."""
    return int.from_bytes(payload[:4], "big") & LARGEST_STREAM_ID


def joined_data(data: bytes, start: int, stream_id: int) -> tuple[int, bytes, int]:
    """Takes DATA frames that follow each other on a stream for one, in few steps.

    Args:
        data: What has arrived.
        start: Where in it the payload of the first one begins, which is as long as can be, and
            neither padded nor the last of its stream.
        stream_id: As the frames have it.

    Returns:
        The flags of the last one, the payloads, and the position of what comes after.
    """
    flags, position = 0, start + MAX_FRAME_BYTES
    view = memoryview(data)
    payloads = [view[start:position]]
    last_start = len(data) - FRAME_HEADER_BYTES
    while not flags and position <= last_start:
        high, low, kind, flags_here, stream_here = FRAME_HEADER.unpack_from(data, position)
        length = high << 8 | low
        stop = position + FRAME_HEADER_BYTES + length
        if (
            kind != DATA
            or stream_here != stream_id
            or flags_here & ~END_STREAM
            or not 0 < length <= MAX_FRAME_BYTES
            or stop > len(data)
        ):
            break
        payloads.append(view[position + FRAME_HEADER_BYTES : stop])
        flags, position = flags_here, stop
    return flags, b"".join(payloads), position


def without_padding(flags: int, payload: bytes) -> bytes:
    """Takes the padding off the payload of a DATA or HEADERS frame.

    Raises:
        ConnectionFault: There is more of it than the payload has.
    """
    if not flags & PADDED:
        return payload
    if not payload:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "padding without a length")
    padding = payload[0]
    if padding >= len(payload):
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "more padding than payload")
    return payload[1 : len(payload) - padding]

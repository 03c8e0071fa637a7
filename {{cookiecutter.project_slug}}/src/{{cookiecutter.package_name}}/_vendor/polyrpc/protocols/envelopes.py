"""Envelopes: a byte of flags, the length in four, and a message; the framing of all streams.

The same in gRPC (Length-Prefixed-Message of PROTOCOL-HTTP2.md), gRPC-Web and Connect
(Enveloped-Message), but for the flags that mark the end.
"""

from __future__ import annotations

from collections import deque
from struct import Struct

import grpc

from ..calls.messages import too_large
from ..rpc.status import CallError
from .compression import Decompress, most_compressed

COMPRESSED = 1
"""The flag of a message that is compressed."""

PREFIX_BYTES = 5

_PREFIX = Struct(">BI")


def envelope(data: bytes, flags: int = 0) -> bytes:
    """Puts `data` into an envelope."""
    return _PREFIX.pack(flags, len(data)) + data


def only_message(body: bytes, max_message_bytes: int) -> bytes | None:
    """The message of a body that is one, and not compressed; None: there is more to be seen."""
    length = len(body) - PREFIX_BYTES
    if not 0 <= length <= max_message_bytes or body[:PREFIX_BYTES] != _PREFIX.pack(0, length):
        return None
    return body[PREFIX_BYTES:]


class EnvelopeReader:
    """Takes a body in chunks of any size and gives the messages in it; holds one at the most.

    Args:
        max_message_bytes: How long a message may be, when it is decompressed.
        decompress: Undoes the compression that the request has named; None: it has named none.
    """

    def __init__(self, max_message_bytes: int, decompress: Decompress | None) -> None:
        self._max_message_bytes = max_message_bytes
        self._decompress = decompress
        # What has arrived, how much of the first chunk was taken, and how much is left of all.
        self._chunks: deque[bytes] = deque()
        self._position = self._unread = 0
        # Of the message whose prefix was read.
        self._flags = 0
        self._length: int | None = None

    def feed(self, chunk: bytes) -> None:
        """Takes the next chunk of the body."""
        if chunk:
            self._chunks.append(chunk)
            self._unread += len(chunk)

    def next(self) -> bytes | None:
        """Gives the next message.

        Returns:
            None: it is not all there yet.

        Raises:
            CallError: It is too long (RESOURCE_EXHAUSTED), has flags that there are not or is no
                gzip (INVALID_ARGUMENT), or is compressed although no compression was named
                (INTERNAL, as gRPC's compression.md has it). What follows is of no use.
        """
        if self._length is None:
            if self._unread < PREFIX_BYTES:
                return None
            self._flags, self._length = _PREFIX.unpack(self._take(PREFIX_BYTES))
            self._check(self._flags, self._length)
        if self._unread < self._length:
            return None
        data, self._length = self._take(self._length), None
        # Nothing at all is not what gzip makes of nothing, but some clients send it.
        if self._flags and data and self._decompress is not None:
            data = self._decompress(data, self._max_message_bytes)
        return data

    def _check(self, flags: int, length: int) -> None:
        if flags & ~COMPRESSED:
            raise CallError(
                grpc.StatusCode.INVALID_ARGUMENT, f"a message has the unknown flags 0x{flags:02x}"
            )
        limit = self._max_message_bytes
        if flags:
            if self._decompress is None:
                raise CallError(
                    grpc.StatusCode.INTERNAL,
                    "a message is compressed, but the headers name no compression",
                )
            limit = most_compressed(limit)
        if length > limit:
            raise too_large(self._max_message_bytes)

    def _take(self, size: int) -> bytes:
        """Takes so many of the bytes that are there. Large messages are copied once."""
        self._unread -= size
        chunks, start = self._chunks, self._position
        parts = []
        while size:
            chunk = chunks[0]
            stop = min(start + size, len(chunk))
            parts.append(chunk if stop - start == len(chunk) else chunk[start:stop])
            size -= stop - start
            start = stop
            if stop == len(chunk):
                chunks.popleft()
                start = 0
        self._position = start
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Ends the body.

        Raises:
            CallError: INVALID_ARGUMENT, it ends inside a message.
        """
        if self._unread or self._length is not None:
            raise CallError(grpc.StatusCode.INVALID_ARGUMENT, "the body ends inside a message")

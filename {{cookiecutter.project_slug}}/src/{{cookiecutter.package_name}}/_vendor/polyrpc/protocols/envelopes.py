"""Envelopes: a byte of flags, the length in four, and a message; the framing of all streams.

The same in gRPC (Length-Prefixed-Message of PROTOCOL-HTTP2.md), gRPC-Web and Connect
(Enveloped-Message), but for the flags that mark the end.
"""

from __future__ import annotations

from struct import Struct

import grpc

from ..calls.body import too_large
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
        self._unread = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Takes the next chunk of the body."""
        self._unread += chunk

    def next(self) -> bytes | None:
        """Gives the next message.

        Returns:
            None: it is not all there yet.

        Raises:
            CallError: It is too long (RESOURCE_EXHAUSTED), has flags that there are not or is no
                gzip (INVALID_ARGUMENT), or is compressed although no compression was named
                (INTERNAL, as gRPC's compression.md has it). What follows is of no use.
        """
        unread = self._unread
        if len(unread) < PREFIX_BYTES:
            return None
        flags, length = _PREFIX.unpack_from(unread)
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
        end = PREFIX_BYTES + length
        if len(unread) < end:
            return None
        data = bytes(memoryview(unread)[PREFIX_BYTES:end])
        del unread[:end]
        # Nothing at all is not what gzip makes of nothing, but some clients send it.
        if flags and length and self._decompress is not None:
            data = self._decompress(data, self._max_message_bytes)
        return data

    def close(self) -> None:
        """Ends the body.

        Raises:
            CallError: INVALID_ARGUMENT, it ends inside a message.
        """
        if self._unread:
            raise CallError(grpc.StatusCode.INVALID_ARGUMENT, "the body ends inside a message")

"""`gzip` and `identity`, the compressions of all protocols; knows bytes and header values only.

Decompression stops at the limit for messages: a bomb costs that much and no more.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import NamedTuple

import grpc

from ..calls.messages import too_large
from ..rpc.status import CallError

Decompress = Callable[[bytes, int], bytes]
"""Takes compressed bytes, and how many they may be at most afterwards."""


class Compressing(NamedTuple):
    """How messages may be, or are, compressed.

    Attributes:
        decompress: Undoes the compression that the request has named; None: it has named none.
        accepts_gzip: Responses may be compressed.
        prefers_gzip: They are, unless the servicer says otherwise.
    """

    decompress: Decompress | None = None
    accepts_gzip: bool = False
    prefers_gzip: bool = False


GZIP = b"gzip"
KNOWN = b"gzip, identity"

_GZIP_FORMAT = 31
"""zlib's parameter for gzip (RFC 1952) with the largest window."""

_LEVEL = 6
_LONGEST_NAME = 40


def compressed(data: bytes) -> bytes:
    """Compresses with gzip; the same data always give the same bytes."""
    return gzip.compress(data, _LEVEL, mtime=0)


def decompressed(data: bytes, max_bytes: int) -> bytes:
    """Decompresses what gzip has compressed, in one member.

    Raises:
        CallError: RESOURCE_EXHAUSTED, it is longer than `max_bytes`; INVALID_ARGUMENT, it is no
            gzip, or not all of it.
    """
    inflate = zlib.decompressobj(_GZIP_FORMAT)
    try:
        result = inflate.decompress(data, max_bytes + 1)
    except zlib.error:
        raise _malformed() from None
    if len(result) > max_bytes:
        raise too_large(max_bytes)
    if not inflate.eof or inflate.unused_data:
        raise _malformed()
    return result


def most_compressed(max_bytes: int) -> int:
    """How many bytes a message of `max_bytes` may have when it is compressed, at the worst."""
    return max_bytes + max_bytes // 1000 + 64


def decompression(name: bytes | None, header: str) -> Decompress | None:
    """Finds what undoes a compression.

    Args:
        name: What the request calls it; None: nothing.
        header: Where it does that, for the error's text.

    Returns:
        None: nothing is compressed.

    Raises:
        CallError: UNIMPLEMENTED, it is none of those known, which the text lists.
    """
    if name is None or name in (b"", b"identity"):
        return None
    if name == GZIP:
        return decompressed
    unknown = name[:_LONGEST_NAME].decode("latin-1")
    raise CallError(
        grpc.StatusCode.UNIMPLEMENTED,
        f"{header} {unknown!a} is not supported; it may be one of: {KNOWN.decode()}",
    )


def accepts_gzip(accepted: bytes | None, sent: bytes | None) -> bool:
    """Whether a response may be compressed.

    Args:
        accepted: The list of what the client accepts, with weights or not; None: it has none.
        sent: The compression of the request, which a client without a list is assumed to accept.
    """
    if accepted is None:
        return sent == GZIP
    for member in accepted.lower().split(b","):
        name, _, weight = member.replace(b" ", b"").replace(b"\t", b"").partition(b";")
        if name == GZIP:
            return weight.removeprefix(b"q=").strip(b"0.") != b"" or not weight
    return False


def _malformed() -> CallError:
    return CallError(grpc.StatusCode.INVALID_ARGUMENT, "the message is not what gzip makes")

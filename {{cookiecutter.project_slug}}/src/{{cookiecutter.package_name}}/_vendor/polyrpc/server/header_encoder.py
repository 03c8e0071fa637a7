"""Response headers as HPACK has them (RFC 7541), without a state: nothing is put into the table.

What responses have in common is encoded once and remembered.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from .exchange import NOT_IN_VALUE, field_name

EMPTY_TABLE = b"\x20"
"""Says that the table has no room: it comes first once a client has made its table smaller."""

_STATUS = {200: 8, 204: 9, 206: 10, 304: 11, 400: 12, 404: 13, 500: 14}
_STATUS_NAME = 8
_ONE_BYTE = [bytes((length,)) for length in range(127)]
"""The lengths of strings that take one byte (section 5.1)."""

# The names that responses have, of the static table (RFC 7541, appendix A).
_NAMES = {
    **{b"accept-ranges": 18, b"age": 21, b"allow": 22, b"access-control-allow-origin": 20},
    **{b"cache-control": 24, b"content-disposition": 25, b"content-encoding": 26},
    **{b"content-language": 27, b"content-length": 28, b"content-location": 29},
    **{b"content-range": 30, b"content-type": 31, b"date": 33, b"etag": 34, b"expires": 36},
    **{b"last-modified": 44, b"link": 45, b"location": 46, b"retry-after": 53, b"server": 54},
    **{b"set-cookie": 55, b"strict-transport-security": 56, b"vary": 59, b"via": 60},
    b"www-authenticate": 61,
}
# They are of a connection, which HTTP/2 has its own means for (RFC 9113, section 8.2.2).
_OF_A_CONNECTION = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
)


def encode_status(status: int) -> bytes:
    """Encodes `:status`, with which each response begins."""
    index = _STATUS.get(status)
    if index is not None:
        return bytes((0x80 | index,))
    return _integer(_STATUS_NAME, 4) + _string(b"%d" % status)


def encode_headers(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Encodes the headers, or the trailers, of a response.

    What only HTTP/1.1 has is left out.

    Raises:
        RuntimeError: A name or a value is none.
    """
    encoded = []
    for name, value in headers:
        if not value.isalnum():  # As most are that differ from call to call.
            if NOT_IN_VALUE.search(value):
                raise RuntimeError("a header of the response has a value that is none")
            value = value.strip(b" \t")
        start = _name(name)
        if start:
            length = len(value)
            encoded.append(start + (_ONE_BYTE[length] if length < 127 else _integer(length, 7)))
            encoded.append(value)
    return b"".join(encoded)


@lru_cache(maxsize=256)
def encode_start(
    status: int, default_head: bytes, constant: tuple[tuple[bytes, bytes], ...] = ()
) -> bytes:
    """Encodes what many responses begin with, once.

    Args:
        status: Their status.
        default_head: What all responses have, as the lines of HTTP/1.1, each with its end.
        constant: What these have.
    """
    fields = [line.split(b": ", 1) for line in default_head.split(b"\r\n") if line]
    common = encode_headers((name, value) for name, value in fields)
    return encode_status(status) + common + encode_headers(constant)


@lru_cache(maxsize=256)
def _name(name: bytes) -> bytes:
    """How a field begins that is not put into the table (section 6.2.2); nothing: it has no place.

    Raises:
        RuntimeError: It is no name.
    """
    name = field_name(name)
    if name in _OF_A_CONNECTION:
        return b""
    index = _NAMES.get(name)
    return b"\0" + _string(name) if index is None else _integer(index, 4)


def _string(value: bytes) -> bytes:
    length = len(value)
    return (_ONE_BYTE[length] if length < 127 else _integer(length, 7)) + value


def _integer(value: int, bits: int) -> bytes:
    """An integer whose first byte has room for so many bits (section 5.1)."""
    most = (1 << bits) - 1
    if value < most:
        return bytes((value,))
    value -= most
    encoded = bytearray((most,))
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)

"""gRPC metadata, and how a servicer's becomes HTTP headers.

Follows the Custom-Metadata rules of gRPC's "gRPC over HTTP2" (PROTOCOL-HTTP2.md).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache, partial
from typing import NamedTuple

Headers = Collection[tuple[bytes, bytes]]

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
_OF_THE_RESPONSE_ITSELF = HOP_BY_HOP | {b"content-type", b"content-length", b"content-encoding"}

_KEY = re.compile(r"[0-9a-z_.\-]+")


class Metadatum(NamedTuple):
    """One entry of a call's metadata; `value` is bytes where `key` ends in `-bin`."""

    key: str
    value: str | bytes


Metadata = tuple[Metadatum, ...]

metadatum: Callable[[tuple[str, str | bytes]], Metadatum] = partial(tuple.__new__, Metadatum)
"""Makes a `Metadatum` of its parts; named tuples' own constructor is a function of Python."""


def checked(metadata: Iterable[tuple[str, str | bytes]] | None) -> Metadata:
    """Copies a servicer's metadata.

    Raises:
        TypeError: A key or value is not of the type that gRPC sends.
        ValueError: It is of that type, but none that gRPC could send, which also means that no
            header can be injected through it.
    """
    if not metadata:
        return ()
    if isinstance(metadata, str | bytes | Mapping):
        raise TypeError(
            f"metadata was invalid: pairs of key and value are wanted, "
            f"not a {type(metadata).__name__}"
        )
    entries = []
    for entry in metadata:
        if not isinstance(entry, tuple | list) or len(entry) != 2:
            raise TypeError("metadata was invalid: an entry must be a key and a value")
        key, value = entry
        if not isinstance(key, str):
            raise TypeError(f"metadata was invalid: the key {key!r} must be a str")
        if not _is_key(key):
            raise ValueError(f"metadata was invalid: the key {key!r}")
        if key.endswith("-bin"):
            if not isinstance(value, bytes):
                raise TypeError(f"metadata was invalid: the value of {key} must be bytes")
        elif isinstance(value, bytes):
            value = value.decode("latin-1")
        elif not isinstance(value, str):
            raise TypeError(f"metadata was invalid: the value of {key} must be a str or bytes")
        if isinstance(value, str) and not (value.isascii() and value.isprintable()):
            raise ValueError(f"metadata was invalid: the value of {key} is not printable ASCII")
        entries.append(metadatum((key, value)))
    return tuple(entries)


def response_headers(
    metadata: Metadata, prefix: bytes = b"", reserved: frozenset[bytes] = frozenset()
) -> list[tuple[bytes, bytes]]:
    """Writes checked metadata as headers; binary values in base64 without padding.

    Args:
        metadata: The metadata.
        prefix: What the names begin with.
        reserved: Names that are left out: the protocol has its own use for them.
    """
    headers = []
    for key, value in metadata:
        name = _header_name(key, prefix, reserved)
        if name is None:
            continue
        if isinstance(value, bytes):
            headers.append((name, base64.b64encode(value).rstrip(b"=")))
        else:
            headers.append((name, value.encode("ascii")))
    return headers


@lru_cache(maxsize=256)
def _is_key(key: str) -> bool:
    return _KEY.fullmatch(key) is not None


@lru_cache(maxsize=256)
def _header_name(key: str, prefix: bytes, reserved: frozenset[bytes]) -> bytes | None:
    """The name of the header that a checked key is written as; None: it is none of metadata's."""
    name = prefix + key.encode("ascii")
    return None if name in _OF_THE_RESPONSE_ITSELF or name in reserved else name

"""What the headers of a request say to servicers, and of its body."""

from __future__ import annotations

import base64
from collections.abc import Collection
from contextlib import suppress
from functools import lru_cache

import grpc

from ..rpc.metadata import HOP_BY_HOP, Headers, Metadata, Metadatum, metadatum
from ..rpc.status import CallError

_NOT_METADATA = HOP_BY_HOP | {b"host"}
_NO_HEADERS = {"", "close", "keep-alive", "upgrade", "te"}
_NOT_METADATA_EITHER = (b"content-", b"accept", b"grpc-timeout")


@lru_cache(maxsize=256)
def media_type(content_type: bytes) -> str:
    """Reads a `content-type` header: the type in lower case, without parameters."""
    return content_type.decode("latin-1").partition(";")[0].strip().lower()


def invocation_metadata(headers: Headers, reserved: Collection[bytes] = ()) -> Metadata:
    """Reads all other headers but hop-by-hop ones, as gRPC's invocation metadata.

    Malformed binary ones, for which `check_binary` refuses the request, are left out.

    Args:
        headers: The headers of a request, whose names are in lower case.
        reserved: The names of further ones that are the protocol's own.
    """
    metadata: list[Metadatum] = []
    nominated: frozenset[str] = frozenset()
    for name, value in headers:
        key = _metadata_key(name)
        if key is None or name in reserved:
            if name == b"connection":
                nominated |= _nominated(value)
            continue
        if key[-4:] == "-bin":
            with suppress(CallError):
                metadata += _binary(name, value)
        else:
            metadata.append(metadatum((key, _text(value))))
    if nominated:
        return tuple(entry for entry in metadata if entry.key not in nominated)
    return tuple(metadata)


def check_binary(name: bytes, value: bytes) -> None:
    """Looks at a header whose name ends in `-bin`.

    Raises:
        CallError: INVALID_ARGUMENT, it is metadata and not base64.
    """
    if _metadata_key(name) is not None:
        _binary(name, value)


def decode_base64(text: bytes) -> bytes:
    """Reads base64, with its padding or without.

    Raises:
        ValueError: It is none.
    """
    unpadded = text.rstrip(b"=")
    return base64.b64decode(unpadded + b"=" * (-len(unpadded) % 4), validate=True)


@lru_cache(maxsize=256)
def _metadata_key(name: bytes) -> str | None:
    is_metadata = name not in _NOT_METADATA and not name.startswith(_NOT_METADATA_EITHER)
    return name.decode("latin-1") if is_metadata else None


@lru_cache(maxsize=256)
def _nominated(connection: bytes) -> frozenset[str]:
    """The further headers that end at this connection (RFC 9110, 7.6.1)."""
    options = (option.strip().lower() for option in connection.decode("latin-1").split(","))
    return frozenset(options) - _NO_HEADERS


def _binary(name: bytes, value: bytes) -> list[Metadatum]:
    key = name.decode("latin-1")
    return [Metadatum(key, _from_base64(key, part)) for part in value.split(b",")]


def _from_base64(key: str, value: bytes) -> bytes:
    try:
        return decode_base64(value.strip())
    except ValueError:
        raise CallError(
            grpc.StatusCode.INVALID_ARGUMENT, f"the header {key} must be base64"
        ) from None


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")

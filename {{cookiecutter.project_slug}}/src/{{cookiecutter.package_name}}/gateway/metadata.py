"""HTTP headers as gRPC metadata, and back.

Follows the Custom-Metadata rules of gRPC's "gRPC over HTTP2" (PROTOCOL-HTTP2.md).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from typing import NamedTuple

import grpc

from .status import CallFailed

Headers = Iterable[tuple[bytes, bytes]]

_HOP_BY_HOP = frozenset(
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
_NOT_METADATA = _HOP_BY_HOP | {b"host", b"grpc-timeout"}
_OF_THE_RESPONSE_ITSELF = _HOP_BY_HOP | {b"content-type", b"content-length", b"content-encoding"}

_KEY = re.compile(r"[0-9a-z_.\-]+")
_VALUE = re.compile(r"[\x20-\x7e]*")

_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_SECONDS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}


class Metadatum(NamedTuple):
    """One entry of a call's metadata; `value` is bytes where `key` ends in `-bin`."""

    key: str
    value: str | bytes


Metadata = tuple[Metadatum, ...]


def invocation_metadata(headers: Headers) -> Metadata:
    """Reads request headers, names in lower case as ASGI has them, as invocation metadata.

    Raises:
        CallFailed: INVALID_ARGUMENT, a `-bin` header is not base64.
    """
    entries: list[Metadatum] = []
    for name, value in headers:
        if name in _NOT_METADATA or name.startswith((b"content-", b"accept")):
            continue
        key = name.decode("latin-1")
        if key.endswith("-bin"):
            entries += (Metadatum(key, _from_base64(key, part)) for part in value.split(b","))
        else:
            entries.append(Metadatum(key, _text(value)))
    return tuple(entries)


def timeout_seconds(headers: Headers) -> float | None:
    """Reads the `grpc-timeout` header.

    Returns:
        Seconds, or None where there is no such header.

    Raises:
        CallFailed: INVALID_ARGUMENT, the value is not a timeout of the gRPC specification.
    """
    for name, value in headers:
        if name == b"grpc-timeout":
            match = _TIMEOUT.fullmatch(value)
            if match is None:
                raise CallFailed(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    "grpc-timeout must be up to eight digits and a unit of H, M, S, m, u or n, "
                    "such as 250m",
                )
            amount, unit = match.groups()
            return int(amount) * _SECONDS[unit]
    return None


def checked(metadata: Iterable[tuple[str, str | bytes]] | None) -> Metadata:
    """Copies a servicer's metadata.

    Raises:
        ValueError: A key or value is none that gRPC could send, which also means that no header
            can be injected through it.
    """
    entries = []
    for key, value in metadata or ():
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise ValueError(f"metadata was invalid: the key {key!r}")
        if key.endswith("-bin"):
            if not isinstance(value, bytes):
                raise ValueError(f"metadata was invalid: the value of {key} must be bytes")
        elif isinstance(value, bytes):
            value = value.decode("latin-1")
        if isinstance(value, str) and not _VALUE.fullmatch(value):
            raise ValueError(f"metadata was invalid: the value of {key} is not printable ASCII")
        entries.append(Metadatum(key, value))
    return tuple(entries)


def response_headers(metadata: Metadata, prefix: bytes = b"") -> list[tuple[bytes, bytes]]:
    """Writes checked metadata as headers; binary values in base64 without padding."""
    headers = []
    for key, value in metadata:
        name = prefix + key.encode("ascii")
        if name in _OF_THE_RESPONSE_ITSELF:
            continue
        if isinstance(value, bytes):
            headers.append((name, base64.b64encode(value).rstrip(b"=")))
        else:
            headers.append((name, value.encode("ascii")))
    return headers


def _from_base64(key: str, value: bytes) -> bytes:
    unpadded = value.strip().rstrip(b"=")
    try:
        return base64.b64decode(unpadded + b"=" * (-len(unpadded) % 4), validate=True)
    except binascii.Error:
        raise CallFailed(
            grpc.StatusCode.INVALID_ARGUMENT, f"the header {key} must be base64"
        ) from None


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")

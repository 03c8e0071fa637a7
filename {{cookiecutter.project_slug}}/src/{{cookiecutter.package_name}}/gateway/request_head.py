"""What the headers of an HTTP request say, read in one pass: the call's metadata and the rest."""

from __future__ import annotations

import base64
import binascii
import re

import grpc

from .metadata import HOP_BY_HOP, Headers, Metadata, Metadatum
from .status import CallFailed

_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_SECONDS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_NOT_METADATA = HOP_BY_HOP | {b"host"}


class RequestHead:
    """The headers of a request, whose names ASGI has in lower case.

    Attributes:
        accept: The `accept` headers, joined by commas; None: there is none.
        content_type: The media type of the body, in lower case; empty: it is not told.
        content_encoding: How the body is encoded, in lower case; empty: not at all.
        content_length: How many bytes the body has; None: it is not told.
        timeout: `grpc-timeout` in seconds; None: there is none.
        metadata: All other headers but hop-by-hop ones, as gRPC's invocation metadata.

    Raises:
        CallFailed: INVALID_ARGUMENT, `grpc-timeout` or binary metadata is malformed.
    """

    __slots__ = (
        "accept",
        "content_encoding",
        "content_length",
        "content_type",
        "metadata",
        "timeout",
    )

    def __init__(self, headers: Headers) -> None:
        self.accept: str | None = None
        self.content_type = ""
        self.content_encoding = ""
        self.content_length: int | None = None
        self.timeout: float | None = None
        metadata: list[Metadatum] = []
        for name, value in headers:
            if name.startswith((b"content-", b"accept", b"grpc-timeout")):
                self._read(name, value)
            elif name not in _NOT_METADATA:
                if name.endswith(b"-bin"):
                    key = name.decode("latin-1")
                    parts = value.split(b",")
                    metadata += [Metadatum(key, _from_base64(key, part)) for part in parts]
                else:
                    metadata.append(Metadatum(name.decode("latin-1"), _text(value)))
        self.metadata: Metadata = tuple(metadata)

    def _read(self, name: bytes, value: bytes) -> None:
        text = value.decode("latin-1")
        if name == b"content-type":
            self.content_type = text.partition(";")[0].strip().lower()
        elif name == b"content-length":
            # A malformed length is for the server to refuse.
            self.content_length = int(value) if value.isdigit() else None
        elif name == b"accept":
            self.accept = text if self.accept is None else f"{self.accept},{text}"
        elif name == b"content-encoding":
            self.content_encoding = text.strip().lower()
        elif name == b"grpc-timeout":
            self.timeout = _timeout_seconds(value)


def _timeout_seconds(value: bytes) -> float:
    match = _TIMEOUT.fullmatch(value)
    if match is None:
        raise CallFailed(
            grpc.StatusCode.INVALID_ARGUMENT,
            "grpc-timeout must be up to eight digits and a unit of H, M, S, m, u or n, "
            "such as 250m",
        )
    amount, unit = match.groups()
    return int(amount) * _SECONDS[unit]


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

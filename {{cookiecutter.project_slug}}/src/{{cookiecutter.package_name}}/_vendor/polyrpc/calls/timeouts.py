"""The deadlines that callers set, as each protocol writes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import grpc

from ..rpc.status import CallError

_GRPC = re.compile(rb"([0-9]{1,8})([HMSmun])")
_SECONDS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_CONNECT = re.compile(rb"[0-9]{1,10}")


def grpc_timeout(value: bytes) -> float:
    """Reads `grpc-timeout` (PROTOCOL-HTTP2.md of gRPC), in seconds.

    Raises:
        CallError: INVALID_ARGUMENT, it is malformed.
    """
    match = _GRPC.fullmatch(value)
    if match is None:
        raise CallError(
            grpc.StatusCode.INVALID_ARGUMENT,
            "grpc-timeout must be up to eight digits and a unit of H, M, S, m, u or n, "
            "such as 250m",
        )
    amount, unit = match.groups()
    return int(amount) * _SECONDS[unit]


def connect_timeout(value: bytes) -> float:
    """Reads `connect-timeout-ms` (https://connectrpc.com/docs/protocol), in seconds.

    Raises:
        CallError: INVALID_ARGUMENT, it is malformed.
    """
    if _CONNECT.fullmatch(value) is None:
        raise CallError(
            grpc.StatusCode.INVALID_ARGUMENT,
            "connect-timeout-ms must be up to ten digits, such as 250",
        )
    return int(value) / 1000


READERS: Mapping[bytes, Callable[[bytes], float]] = {
    b"grpc-timeout": grpc_timeout,
    b"connect-timeout-ms": connect_timeout,
}
"""By the names of the headers."""

"""Channels to services such as this one, with what every client should have set."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import grpc


def channel(
    target: str,
    *,
    ca_file: Path | None = None,
    cert_file: Path | None = None,
    key_file: Path | None = None,
    deadline: float | None = None,
    attempts: int = 4,
    retry_on: Iterable[grpc.StatusCode] = (grpc.StatusCode.UNAVAILABLE,),
    round_robin: bool = True,
    keepalive: float | None = 30.0,
    max_message_bytes: int = 4 * 1024 * 1024,
    options: Iterable[tuple[str, Any]] = (),
) -> grpc.aio.Channel:
    """Makes a channel; use it as an asynchronous context manager, one for many calls.

        async with channel("dns:///greeter:50051", deadline=5.0) as greeter_channel:
            greeter = GreeterStub(greeter_channel)

    Args:
        target: Where to connect, as in https://github.com/grpc/grpc/blob/master/doc/naming.md.
        ca_file: What the server's certificate is checked against, PEM; None: no TLS.
        cert_file: The client's certificate chain for mutual TLS, PEM.
        key_file: Its private key, PEM.
        deadline: Seconds for each call that is made without a `timeout`, streams included, all
            attempts together; None: no limit.
        attempts: How often a call is tried; only calls that have not been answered yet are, and
            only safely so if they may run twice. 1: calls that no server has begun are sent
            anew, others are not.
        retry_on: The status codes that are worth another attempt.
        round_robin: Spreads the calls over all addresses that the name has, such as one for each
            replica; False: one connection takes them all.
        keepalive: Seconds of silence, while calls are waiting, after which the server is pinged;
            None: never.
        max_message_bytes: The limit for each message that is received.
        options: Further channel arguments.

    Raises:
        OSError: A file cannot be read.
        ValueError: A certificate without its key, or without `ca_file`.
    """
    if (cert_file is None) != (key_file is None) or (cert_file is not None and ca_file is None):
        raise ValueError("a client certificate needs its key, and ca_file")
    config = _service_config(deadline, attempts, retry_on, round_robin=round_robin)
    arguments: list[tuple[str, Any]] = [
        *options,
        ("grpc.service_config", json.dumps(config)),
        ("grpc.max_receive_message_length", max_message_bytes),
    ]
    if keepalive is not None:
        arguments.append(("grpc.keepalive_time_ms", int(keepalive * 1000)))
    if ca_file is None:
        return grpc.aio.insecure_channel(target, arguments)
    credentials = grpc.ssl_channel_credentials(
        ca_file.read_bytes(),
        None if key_file is None else key_file.read_bytes(),
        None if cert_file is None else cert_file.read_bytes(),
    )
    return grpc.aio.secure_channel(target, credentials, arguments)


def _service_config(
    deadline: float | None,
    attempts: int,
    retry_on: Iterable[grpc.StatusCode],
    *,
    round_robin: bool,
) -> dict[str, Any]:
    every_method: dict[str, Any] = {"name": [{}]}
    if deadline is not None:
        every_method["timeout"] = f"{deadline:.3f}s"
    if attempts > 1:
        every_method["retryPolicy"] = {
            "maxAttempts": attempts,
            "initialBackoff": "0.1s",
            "maxBackoff": "2s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": [code.name for code in retry_on],
        }
    policy = "round_robin" if round_robin else "pick_first"
    return {"loadBalancingConfig": [{policy: {}}], "methodConfig": [every_method]}

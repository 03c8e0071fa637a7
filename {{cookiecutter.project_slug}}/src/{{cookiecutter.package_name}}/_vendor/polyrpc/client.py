"""Channels to services such as this one, with what every client should have set."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import grpc

from .logs import REQUEST_ID
from .rpc.caller import CALL

_REQUEST_ID = "x-request-id"
_TRACE_CONTEXT = ("traceparent", "tracestate")

_LONGEST_SECONDS = 1e9
"""Of a deadline. One beyond its clock, such as infinity, gRPC takes for one that is over."""

Metadata = Iterable[tuple[str, str | bytes]]


def channel(
    target: str,
    *,
    tls: bool = False,
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

    A call that is made while the service serves one itself goes on with the request id and the
    trace context of that one, and has no more time than is left to it.

    Args:
        target: Where to connect, as in https://github.com/grpc/grpc/blob/master/doc/naming.md.
        tls: Asks the server for a certificate of a public authority: one of those that gRPC brings,
            or of the PEM file that the variable GRPC_DEFAULT_SSL_ROOTS_FILE_PATH names, such as
            the system's, /etc/ssl/certs/ca-certificates.crt. False: no TLS without `ca_file`.
        ca_file: TLS, and these are the authorities, PEM, instead of the public ones.
        cert_file: The client's certificate chain for mutual TLS, PEM.
        key_file: Its private key, PEM.
        deadline: Seconds for each call, streams included, all attempts together; a `timeout` of
            the call may be shorter. The server is told. None: no limit.
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
        ValueError: A certificate without its key, or without TLS; a deadline that is none.
    """
    if deadline is not None and not 0 < deadline <= _LONGEST_SECONDS:
        raise ValueError(f"a deadline is a positive number of seconds, None for none: {deadline}")
    tls = tls or ca_file is not None
    if (cert_file is None) != (key_file is None) or (cert_file is not None and not tls):
        raise ValueError("a client certificate needs its key, and ca_file or tls=True")
    config = _service_config(attempts, retry_on, round_robin=round_robin)
    arguments: list[tuple[str, Any]] = [
        *options,
        ("grpc.service_config", json.dumps(config)),
        ("grpc.max_receive_message_length", max_message_bytes),
    ]
    if keepalive is not None:
        arguments.append(("grpc.keepalive_time_ms", int(keepalive * 1000)))
    if not tls:
        return _with_context(grpc.aio.insecure_channel(target, arguments), deadline)
    credentials = grpc.ssl_channel_credentials(*map(_read, (ca_file, key_file, cert_file)))
    return _with_context(grpc.aio.secure_channel(target, credentials, arguments), deadline)


def _with_context(channel: grpc.aio.Channel, deadline: float | None) -> grpc.aio.Channel:
    """Has a channel's calls keep a deadline, and go on from the call that they are made for."""
    for kind in ("unary_unary", "unary_stream", "stream_unary", "stream_stream"):
        setattr(channel, kind, partial(_callable, getattr(channel, kind), deadline))
    return channel


def _callable(
    make: Callable[..., Any], deadline: float | None, *method: Any, **serializers: Any
) -> Callable[..., Any]:
    """Makes what calls one method, by that of the channel which is for methods of its kind."""
    make_call = make(*method, **serializers)

    def call(
        *request: Any,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        **options: Any,
    ) -> Any:
        return make_call(
            *request,
            timeout=_shortest(timeout, deadline, _time_remaining()),
            metadata=_handed_on(tuple(metadata or ())),
            **options,
        )

    return call


def _read(file: Path | None) -> bytes | None:
    return None if file is None else file.read_bytes()


def _shortest(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _time_remaining() -> float | None:
    """What is left to the call that is served; None: no limit, or it has ended."""
    call = CALL.get()
    if call is None or call.done():
        return None
    remaining: float | None = call.time_remaining()
    return remaining


def _handed_on(metadata: tuple[tuple[str, str | bytes], ...]) -> Metadata:
    """Adds to the metadata of a call what it hands on, as far as its caller has not said it."""
    said = {key.lower() for key, _ in metadata}
    further: list[tuple[str, str | bytes]] = []
    if _REQUEST_ID not in said and (identity := REQUEST_ID.get()):
        further.append((_REQUEST_ID, identity))
    if said.isdisjoint(_TRACE_CONTEXT):
        further += _trace_context()
    return (*metadata, *further)


def _trace_context() -> Iterable[tuple[str, str | bytes]]:
    propagate: Any = sys.modules.get("opentelemetry.propagate")
    if propagate is not None:
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        if carrier:
            return carrier.items()
    # Nobody here takes part in the trace: it goes on as it came.
    call = CALL.get()
    received: Metadata = (call and call.invocation_metadata()) or ()
    return [(key, value) for key, value in received if key in _TRACE_CONTEXT]


def _service_config(
    attempts: int,
    retry_on: Iterable[grpc.StatusCode],
    *,
    round_robin: bool,
) -> dict[str, Any]:
    every_method: dict[str, Any] = {"name": [{}]}
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

"""What is loaded: the servers of `peers.py`, each by one of its protocols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from .peers import TOKEN

Protocol = Literal["http", "http2", "grpc"]
"""JSON over HTTP/1.1 or HTTP/2; gRPC, which is over HTTP/2."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is loaded: a server by one of its protocols.

    Attributes:
        name: Unique.
        title: For people.
        server: The server's name.
        protocol: What the load generator speaks.
        path: The path of an RPC; `{method}` and `{lower}` stand for its name.
        headers: Sent with every request.
        port: Which of the server's ports.
        most_requests: What it answers on the connections of one load; None: any number.
    """

    name: str
    title: str
    server: str
    protocol: Protocol
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    port: Literal["port", "grpc_port"] = "port"
    most_requests: int | None = None


_GATEWAY_PATH = "/grpc/benchservice/{lower}"
_GRPC_PATH = "/bench.v1.Bench/{method}"


def _http(name: str, title: str, path: str = _GATEWAY_PATH) -> Target:
    return Target(name, title, name, "http", path)


def _grpc(name: str, title: str, server: str = "") -> Target:
    return Target(name, title, server or name, "grpc", _GRPC_PATH)


def _native(name: str, title: str, server: str, headers: Mapping[str, str] | None = None) -> Target:
    """A target on the listener of `grpc.aio` that a service has."""
    return Target(name, title, server, "grpc", _GRPC_PATH, headers or {}, "grpc_port")


HTTP = (
    _http("limit", "bare ASGI app, orjson: the limit"),
    _http("documented", "**`ServiceGateway` in Esmerald**"),
    _http("service", "**the generated service**"),
    _http("connectrpc", "connectrpc (Buf)", _GRPC_PATH),
    _http("fastapi-direct", "FastAPI, calls the servicer"),
    _http("stock", "Esmerald's own gateway, mended"),
    _http("fastapi-channel", "FastAPI, loopback channel"),
    _http("envoy", "Envoy's transcoder → `grpc.aio`", _GRPC_PATH),
    _http("gateway-to-aio", "grpc-gateway (Go) → `grpc.aio`", _GRPC_PATH),
    _http("gateway-to-go", "grpc-gateway (Go) → grpc-go", _GRPC_PATH),
    _http("vanguard", "vanguard (Go) around grpc-go"),
)
GRPC = (
    _grpc("grpc-aio", "bare `grpc.aio`"),
    _grpc("grpc-aio-uvloop", "bare `grpc.aio` on uvloop"),
    _grpc("grpc-sync", "bare `grpc`, threads"),
    _native("service-grpc", "**the generated service**, by `grpc.aio`", "service"),
    _grpc("service-http2", "**the generated service**, HTTP listener (alpha)"),
    _grpc("gateway-http2", "**`ServiceGateway` alone**, HTTP listener (alpha)"),
    # Its parser, zttp, ends a connection after 4096 requests.
    replace(
        _grpc("uvicorn-http2", "uvicorn over HTTP/2 (alpha), gRPC by hand"), most_requests=15_000
    ),
    _grpc("connectrpc-pyvoy", "connectrpc (Buf) on pyvoy"),
    _grpc("grpc-native", "pygrpc-native"),
    _grpc("grpc-go", "grpc-go"),
)
WIRES = (
    Target("wire-http1", "HTTP/JSON over HTTP/1.1", "service-http2", "http", _GATEWAY_PATH),
    Target("wire-http2", "HTTP/JSON over HTTP/2", "service-http2", "http2", _GATEWAY_PATH),
    Target("wire-connect", "Connect in JSON over HTTP/1.1", "service-http2", "http", _GRPC_PATH),
)
"""The generated service with `HTTP2=true`, by the protocols of its HTTP listener in JSON."""

STREAMS = (
    _grpc("grpc-aio-stream", "bare `grpc.aio`", "grpc-aio"),
    _grpc("grpc-aio-uvloop-stream", "bare `grpc.aio` on uvloop", "grpc-aio-uvloop"),
    _native("service-grpc-stream", "**the generated service**, gRPC by `grpc.aio`", "service"),
    _grpc(
        "service-http2-stream",
        "**the generated service**, gRPC, HTTP listener (alpha)",
        "service-http2",
    ),
    Target("service-stream", "**the generated service**, NDJSON", "service", "http", _GATEWAY_PATH),
    Target(
        "documented-stream",
        "**`ServiceGateway` in Esmerald**, NDJSON",
        "documented",
        "http",
        _GATEWAY_PATH,
    ),
    _grpc("grpc-native-stream", "pygrpc-native", "grpc-native"),
    _grpc("grpc-go-stream", "grpc-go", "grpc-go"),
)
_AUTHORIZATION = {"authorization": f"Bearer {TOKEN}"}
FEATURES = (
    Target("usual", "as it comes, HTTP", "usual", "http", _GATEWAY_PATH),
    _native("usual-grpc", "as it comes, gRPC", "usual"),
    Target("no-reflection", "without reflection, HTTP", "no-reflection", "http", _GATEWAY_PATH),
    _native("no-reflection-grpc", "without reflection, gRPC", "no-reflection"),
    Target("auth", "with bearer tokens, HTTP", "auth", "http", _GATEWAY_PATH, _AUTHORIZATION),
    _native("auth-grpc", "with bearer tokens, gRPC", "auth", _AUTHORIZATION),
)
"""Variants of the generated service, and the service as it comes to compare them with."""

_TIMED = ("limit", "documented", "service", "connectrpc", "fastapi-direct")
LATENCIES = (
    *(target for target in HTTP if target.name in _TIMED),
    *(target for target in GRPC if target.name != "grpc-sync" and target.most_requests is None),
)
"""What latency is measured of: not everything, for the time that it takes."""

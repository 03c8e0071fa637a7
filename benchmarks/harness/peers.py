"""Who is compared: the servers to start, and the targets on them to load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Protocol = Literal["http", "grpc"]


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """A server process.

    Attributes:
        name: Unique.
        environment: The virtual environment that it runs in.
        command: The script in `peers/` and its arguments; `-m` and a module run that.
        variables: Further environment variables. In these and in `command`, `{port}` stands for
            a free port and `{grpc_port}` for another one.
    """

    name: str
    environment: str
    command: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)


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
    """

    name: str
    title: str
    server: str
    protocol: Protocol
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)


_SERVICE = ("-m", "bench")
_PORTS = {"BENCH_HTTP_PORT": "{port}", "BENCH_GRPC_PORT": "{grpc_port}"}
_TOKEN = "benchmark-token"
_GATEWAY_PATH = "/grpc/benchservice/{lower}"
_GRPC_PATH = "/bench.v1.Bench/{method}"

SERVERS = (
    ServerSpec("limit", "plain", ("limit.py", "{port}")),
    ServerSpec("stock", "service", ("stock.py", "{port}")),
    ServerSpec("fastapi-direct", "fastapi", ("fastapi_direct.py", "{port}")),
    ServerSpec("fastapi-channel", "fastapi", ("fastapi_channel.py", "{port}")),
    ServerSpec("connectrpc", "connectrpc", ("connectrpc_unary.py", "{port}")),
    ServerSpec("documented", "service", ("documented.py", "{port}")),
    ServerSpec("service", "service", _SERVICE, _PORTS),
    ServerSpec("grpc-aio", "plain", ("grpc_aio.py", "{grpc_port}")),
    ServerSpec("grpc-aio-uvloop", "plain", ("grpc_aio.py", "{grpc_port}", "uvloop")),
    # What variants are compared with has to have served what they have, and no more.
    ServerSpec("usual", "service", _SERVICE, _PORTS),
    ServerSpec("no-reflection", "service", _SERVICE, {**_PORTS, "BENCH_REFLECTION": "false"}),
    ServerSpec("auth", "service", _SERVICE, {**_PORTS, "BENCH_AUTH_TOKENS": _TOKEN}),
)

HTTP = (
    Target("limit", "bare ASGI app, orjson: the limit", "limit", "http", _GATEWAY_PATH),
    Target("documented", "**`ServiceGateway` in Esmerald**", "documented", "http", _GATEWAY_PATH),
    Target("service", "**the generated service**", "service", "http", _GATEWAY_PATH),
    Target("connectrpc", "connectrpc (Buf)", "connectrpc", "http", _GRPC_PATH),
    Target(
        "fastapi-direct", "FastAPI, calls the servicer", "fastapi-direct", "http", _GATEWAY_PATH
    ),
    Target("stock", "Esmerald's own gateway, mended", "stock", "http", _GATEWAY_PATH),
    Target(
        "fastapi-channel", "FastAPI, loopback channel", "fastapi-channel", "http", _GATEWAY_PATH
    ),
)
GRPC = (
    Target("grpc-aio", "bare `grpc.aio`", "grpc-aio", "grpc", _GRPC_PATH),
    Target("grpc-aio-uvloop", "bare `grpc.aio` on uvloop", "grpc-aio-uvloop", "grpc", _GRPC_PATH),
    Target("service-grpc", "**the generated service**", "service", "grpc", _GRPC_PATH),
)
STREAMS = (
    Target("grpc-aio-stream", "bare `grpc.aio`", "grpc-aio", "grpc", _GRPC_PATH),
    Target(
        "grpc-aio-uvloop-stream", "bare `grpc.aio` on uvloop", "grpc-aio-uvloop", "grpc", _GRPC_PATH
    ),
    Target("service-grpc-stream", "**the generated service**, gRPC", "service", "grpc", _GRPC_PATH),
    Target("service-stream", "**the generated service**, NDJSON", "service", "http", _GATEWAY_PATH),
    Target(
        "documented-stream",
        "**`ServiceGateway` in Esmerald**, NDJSON",
        "documented",
        "http",
        _GATEWAY_PATH,
    ),
)
_AUTHORIZATION = {"authorization": f"Bearer {_TOKEN}"}
FEATURES = (
    Target("usual", "as it comes, HTTP", "usual", "http", _GATEWAY_PATH),
    Target("usual-grpc", "as it comes, gRPC", "usual", "grpc", _GRPC_PATH),
    Target("no-reflection", "without reflection, HTTP", "no-reflection", "http", _GATEWAY_PATH),
    Target("no-reflection-grpc", "without reflection, gRPC", "no-reflection", "grpc", _GRPC_PATH),
    Target("auth", "with bearer tokens, HTTP", "auth", "http", _GATEWAY_PATH, _AUTHORIZATION),
    Target("auth-grpc", "with bearer tokens, gRPC", "auth", "grpc", _GRPC_PATH, _AUTHORIZATION),
)
"""Variants of the generated service, and the service as it comes to compare them with."""

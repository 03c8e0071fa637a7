"""Who is compared: the servers to start. `targets.py` has what of them is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """A server process, and those that it starts.

    Attributes:
        name: Unique.
        environment: The virtual environment that it runs in.
        command: A script in `peers/` and its arguments; `-m` and a module run that, and anything
            else is a program.
        variables: Further environment variables. In these and in `command`, `{port}` stands for
            a free port, `{grpc_port}` for another one, and `{cache}` for the folder of all that
            was built.
        needs: Further environments that have to be there.
    """

    name: str
    environment: str
    command: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    needs: Sequence[str] = ()


_SERVICE = ("-m", "bench")
_PORTS = {"BENCH_HTTP_PORT": "{port}", "BENCH_GRPC_PORT": "{grpc_port}"}
_HTTP2 = {**_PORTS, "BENCH_HTTP2": "true"}
TOKEN = "benchmark-token"
_GATEWAY = ("{cache}/go/bin/grpc_gateway", "{port}", "{grpc_port}")
_GRPC_GO = "{cache}/go/bin/grpc_go"

SERVERS = (
    ServerSpec("limit", "plain", ("limit.py", "{port}")),
    ServerSpec("stock", "service", ("stock.py", "{port}")),
    ServerSpec("fastapi-direct", "fastapi", ("fastapi_direct.py", "{port}")),
    ServerSpec("fastapi-channel", "fastapi", ("fastapi_channel.py", "{port}")),
    ServerSpec("connectrpc", "connectrpc", ("connectrpc_app.py", "{port}")),
    ServerSpec("documented", "service", ("documented.py", "{port}")),
    ServerSpec("service", "service", _SERVICE, _PORTS),
    ServerSpec("service-http2", "service", _SERVICE, _HTTP2),
    ServerSpec("gateway-http2", "service", ("gateway_http2.py", "{port}")),
    ServerSpec("grpc-aio", "plain", ("grpc_aio.py", "{port}")),
    ServerSpec("grpc-aio-uvloop", "plain", ("grpc_aio.py", "{port}", "uvloop")),
    ServerSpec("grpc-sync", "plain", ("grpc_sync.py", "{port}")),
    ServerSpec("uvicorn-http2", "plain", ("uvicorn_grpc.py", "{port}")),
    ServerSpec(
        "connectrpc-pyvoy",
        "pyvoy",
        ("{cache}/pyvoy/bin/pyvoy", "--port={port}", "connectrpc_app:app"),
    ),
    ServerSpec("grpc-native", "native", ("grpc_native.py", "{port}")),
    ServerSpec("grpc-go", "go", (_GRPC_GO, "{port}")),
    ServerSpec(
        *("gateway-to-go", "plain"),
        ("in_front.py", "{grpc_port}", _GRPC_GO, "{grpc_port}", "--", *_GATEWAY),
        needs=["go"],
    ),
    ServerSpec(
        *("gateway-to-aio", "plain"),
        ("in_front.py", "{grpc_port}", "grpc_aio.py", "{grpc_port}", "--", *_GATEWAY),
        needs=["go"],
    ),
    ServerSpec(
        *("envoy", "envoy"),
        (
            *("in_front.py", "{grpc_port}", "grpc_aio.py", "{grpc_port}", "--"),
            *("envoy_transcoder.py", "{port}", "{grpc_port}"),
        ),
    ),
    ServerSpec("vanguard", "go", ("{cache}/go/bin/vanguard", "{port}")),
    # What variants are compared with has to have served what they have, and no more.
    ServerSpec("usual", "service", _SERVICE, _PORTS),
    ServerSpec("no-reflection", "service", _SERVICE, {**_PORTS, "BENCH_REFLECTION": "false"}),
    ServerSpec("auth", "service", _SERVICE, {**_PORTS, "BENCH_AUTH_TOKENS": TOKEN}),
)


def missing(spec: ServerSpec, environments: Mapping[str, str]) -> str | None:
    """Why a server cannot be started, or None.

    Args:
        spec: The server.
        environments: Why an environment is not there, by its name.
    """
    return next(
        (environments[name] for name in (spec.environment, *spec.needs) if name in environments),
        None,
    )

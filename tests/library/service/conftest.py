"""Fixtures: a running service, and clients that call it over real sockets."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path

import httpx
import pytest

from polyrpc.process.server import Server
from greeter.app import serve
from greeter.settings import PREFIX, Settings

from certificates import Certificates

PROXIES = {"http_proxy", "https_proxy", "grpc_proxy", "all_proxy"}

# The example may go: then the tests that call it are not collected.
PROJECT = Path(__file__).parents[1]
EXAMPLE = [
    PROJECT / "protos/greeter/v1/greeter.proto",
    PROJECT / "src/greeter/servicers/greeter.py",
]
if any(path.exists() for path in EXAMPLE):
    example = import_module(".example", __package__)
    call, protocol, stub = example.call, example.protocol, example.stub
else:
    name = EXAMPLE[0].stem
    traces = (f"{name}_pb2", f"{name.replace('_', '')}service")
    collect_ignore = [
        path.name
        for path in Path(__file__).parent.glob("test_*.py")
        if any(trace in path.read_text(encoding="utf-8") for trace in traces)
    ]

    def pytest_report_header() -> str:
        return f"not collected, for the example is gone: {', '.join(sorted(collect_ignore))}"


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(PREFIX) or name.lower() in PROXIES:
            monkeypatch.delenv(name)


@pytest.fixture
def settings() -> Settings:
    """Override in a module or class to test the service with other settings."""
    return Settings(http_port=0, grpc_port=0)


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Server]:
    async with serve(settings) as service:
        yield service


@pytest.fixture
async def http(service: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}") as client:
        yield client


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))

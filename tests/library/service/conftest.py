"""Fixtures: a running service, and clients that call it over real sockets."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import pytest
from greeter.app import serve
from greeter.settings import PREFIX, Settings
from greeter_service.v1 import greeter_pb2_grpc as pb_grpc
from polyrpc import testing
from polyrpc.process.server import Server
from serving import http_client

PROXIES = {"http_proxy", "https_proxy", "grpc_proxy", "all_proxy"}


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
def service_arguments() -> dict[str, Any]:
    """Override to test a service with other arguments of `Service`."""
    return {}


@pytest.fixture
async def service(settings: Settings, service_arguments: dict[str, Any]) -> AsyncIterator[Server]:
    async with serve(settings, **service_arguments) as service:
        yield service


@pytest.fixture
async def http(service: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with http_client(service.http_port) as client:
        yield client


@pytest.fixture
async def stub(service: Server) -> AsyncIterator[pb_grpc.GreeterAsyncStub]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        yield pb_grpc.GreeterStub(channel)


@pytest.fixture(params=testing.PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> str:
    """A test that takes it, or `call`, runs once for each protocol."""
    return str(request.param)


@pytest.fixture
async def call(protocol: str, service: Server) -> AsyncIterator[testing.Call]:
    """A function of an RPC's name and its requests; keywords become metadata."""
    async with testing.client(service, protocol) as call:
        yield call


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> testing.Certificates:
    return testing.Certificates(tmp_path_factory.mktemp("certificates"))

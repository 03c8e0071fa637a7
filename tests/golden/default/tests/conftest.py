"""Fixtures: a running service, and clients that call it over real sockets."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import httpx
import pytest
from google.protobuf.message import Message

from greeter_service.service import Service
from greeter_service.settings import PREFIX, Settings
from greeter_service.v1 import greeter_pb2 as pb
from greeter_service.v1 import greeter_pb2_grpc as pb_grpc

from .certificates import Certificates
from .protocols import Outcome, over_grpc, over_http

Call = Callable[..., Awaitable[Outcome]]


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)


@pytest.fixture
def settings() -> Settings:
    """Override in a module or class to test the service with other settings."""
    return Settings(http_port=0, grpc_port=0)


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    async with Service(settings) as service:
        yield service


@pytest.fixture
async def http(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}") as client:
        yield client


@pytest.fixture
async def stub(service: Service) -> AsyncIterator[pb_grpc.GreeterAsyncStub]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        yield pb_grpc.GreeterStub(channel)


@pytest.fixture(params=["grpc", "http"])
def protocol(request: pytest.FixtureRequest) -> str:
    """A test that takes it, or `call`, runs once for each protocol."""
    return str(request.param)


@pytest.fixture
async def call(protocol: str, service: Service, http: httpx.AsyncClient) -> AsyncIterator[Call]:
    """A function of an RPC's name and its requests; keywords become metadata."""
    methods = pb.DESCRIPTOR.services_by_name["Greeter"].methods_by_name
    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:

        async def call(rpc: str, *requests: Message, **metadata: str) -> Outcome:
            headers = {name.replace("_", "-"): value for name, value in metadata.items()}
            if protocol == "grpc":
                return await over_grpc(channel, methods[rpc], requests, headers)
            path = f"/grpc/greeterservice/{rpc.lower()}"
            return await over_http(http, path, methods[rpc], requests, headers)

        yield call


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))

"""Fixtures: a running service, and clients that call it over real sockets."""

from __future__ import annotations

import os
{% if cookiecutter.proto_file %}
from collections.abc import AsyncIterator
{% else %}
from collections.abc import AsyncIterator, Awaitable, Callable
{% endif %}

{% if not cookiecutter.proto_file %}
import grpc
{% endif %}
import httpx
import pytest
{% if not cookiecutter.proto_file %}
from google.protobuf.message import Message
{% endif %}

from {{ cookiecutter.package_name }}.service import Service
from {{ cookiecutter.package_name }}.settings import PREFIX, Settings
{% if not cookiecutter.proto_file %}
from {{ cookiecutter.package_name }}.v1 import {{ cookiecutter.__proto_name }}_pb2 as pb
from {{ cookiecutter.package_name }}.v1 import {{ cookiecutter.__proto_name }}_pb2_grpc as pb_grpc
{% endif %}

from .certificates import Certificates
{% if not cookiecutter.proto_file %}
from .protocols import Outcome, over_grpc, over_http

Call = Callable[..., Awaitable[Outcome]]
{% endif %}


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


{% if not cookiecutter.proto_file %}
@pytest.fixture
async def stub(service: Service) -> AsyncIterator[pb_grpc.{{ cookiecutter.service_name }}AsyncStub]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        yield pb_grpc.{{ cookiecutter.service_name }}Stub(channel)


@pytest.fixture(params=["grpc", "http"])
def protocol(request: pytest.FixtureRequest) -> str:
    """A test that takes it, or `call`, runs once for each protocol."""
    return str(request.param)


@pytest.fixture
async def call(protocol: str, service: Service, http: httpx.AsyncClient) -> AsyncIterator[Call]:
    """A function of an RPC's name and its requests; keywords become metadata."""
    methods = pb.DESCRIPTOR.services_by_name["{{ cookiecutter.service_name }}"].methods_by_name
    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:

        async def call(rpc: str, *requests: Message, **metadata: str) -> Outcome:
            headers = {name.replace("_", "-"): value for name, value in metadata.items()}
            if protocol == "grpc":
                return await over_grpc(channel, methods[rpc], requests, headers)
            path = f"/grpc/{{ cookiecutter.service_name | lower }}service/{rpc.lower()}"
            return await over_http(http, path, methods[rpc], requests, headers)

        yield call


{% endif %}
@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))

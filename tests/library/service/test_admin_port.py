"""`ADMIN_PORT`: probes and metrics over plain HTTP, whatever the other listeners speak."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from greeter.settings import Settings
from polyrpc.process.server import Server
from polyrpc.testing import Certificates
from serving import http_client


@pytest.fixture
def settings(certificates: Certificates) -> Settings:
    return Settings(
        http_port=0,
        grpc_port=0,
        admin_port=0,
        tls_cert_file=certificates.server,
        tls_key_file=certificates.server_key,
        tls_client_ca_file=certificates.ca,
    )


@pytest.fixture
async def admin(service: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with http_client(service.admin_port) as client:
        yield client


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_it_serves_probes_and_metrics(admin: httpx.AsyncClient, path: str) -> None:
    assert (await admin.get(path)).status_code == 200


@pytest.mark.parametrize("path", ["/", "/openapi.json", "/docs/swagger", "/grpc"])
async def test_it_serves_nothing_else(admin: httpx.AsyncClient, path: str) -> None:
    assert (await admin.get(path)).status_code == 404


async def test_it_tells_of_a_drain(service: Server, admin: httpx.AsyncClient) -> None:
    await service.drain()
    assert (await admin.get("/readyz")).status_code == 503
    assert (await admin.get("/healthz")).status_code == 200

"""Fixtures: the service, running, and clients that call it over real sockets."""

import os
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from greeter_service.app import create_app
from greeter_service.gateway import testing
from greeter_service.settings import Settings


def settings_with(**values: Any) -> Settings:
    """Settings with free ports; required ones of your own get their values here."""
    return testing.settings(Settings, database_url=os.environ["DATABASE_URL"], **values)


@pytest.fixture
def settings() -> Settings:
    """Override it for other settings."""
    return settings_with()


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[testing.Server]:
    async with testing.Server(create_app(settings)) as server:
        yield server


@pytest.fixture
async def http(service: testing.Server) -> AsyncIterator[httpx.AsyncClient]:
    async with testing.http_client(service) as client:
        yield client


@pytest.fixture(params=testing.PROTOCOLS)
async def call(
    request: pytest.FixtureRequest, service: testing.Server
) -> AsyncIterator[testing.Call]:
    """What calls an RPC, `"SayHello"` or any other, over each protocol in turn."""
    async with testing.client(service, request.param) as call:
        yield call

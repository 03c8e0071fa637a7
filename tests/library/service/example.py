"""Fixtures of the tests that call the example. They go with it, as the README says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import httpx
import pytest
from google.protobuf.message import Message

from polyrpc.process.server import Server
from greeter.app import serve
from greeter_service.v1 import greeter_pb2 as pb
from greeter_service.v1 import greeter_pb2_grpc as pb_grpc

from protocols import Outcome, over_grpc, over_http

Call = Callable[..., Awaitable[Outcome]]


@pytest.fixture
async def stub(service: Server) -> AsyncIterator[pb_grpc.GreeterAsyncStub]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        yield pb_grpc.GreeterStub(channel)


@pytest.fixture(params=["grpc", "http"])
def protocol(request: pytest.FixtureRequest) -> str:
    """A test that takes it, or `call`, runs once for each protocol."""
    return str(request.param)


@pytest.fixture
async def call(protocol: str, service: Server, http: httpx.AsyncClient) -> AsyncIterator[Call]:
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

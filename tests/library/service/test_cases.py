"""`testing.assert_same`: a row of a service's own tests."""

from __future__ import annotations

import pytest
from greeter.settings import Settings
from greeter_service.v1 import greeter_pb2 as pb
from polyrpc.process.server import Server
from polyrpc.testing import Case, assert_same
from pydantic import SecretStr

GREETER = pb.DESCRIPTOR.services_by_name["Greeter"]
HELLO = Case("SayHello", [pb.SayHelloRequest(name="Ada")])


@pytest.fixture
def settings() -> Settings:
    return Settings(http_port=0, grpc_port=0, auth_tokens=SecretStr("known"))


async def test_a_call_carries_the_metadata_over_every_protocol(service: Server) -> None:
    await assert_same(service, GREETER, HELLO, authorization="Bearer known")


async def test_a_call_that_ends_otherwise_is_named_with_its_protocol(service: Server) -> None:
    with pytest.raises(AssertionError, match="grpc: UNAUTHENTICATED"):
        await assert_same(service, GREETER, HELLO)

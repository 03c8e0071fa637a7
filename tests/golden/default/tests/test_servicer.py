"""What the RPCs do, without a server."""

from __future__ import annotations

from unittest.mock import create_autospec

import grpc
import pytest

from greeter_service.servicers.greeter import GreeterService
from greeter_service.v1 import greeter_pb2 as pb


@pytest.fixture
def servicer() -> GreeterService:
    return GreeterService()


async def test_says_hello(servicer: GreeterService) -> None:
    context = create_autospec(grpc.aio.ServicerContext)
    response = await servicer.SayHello(pb.SayHelloRequest(name="World"), context)
    assert response == pb.SayHelloResponse(message="Hello, World!")

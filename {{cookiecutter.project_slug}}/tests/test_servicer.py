"""What the RPCs do, without a server."""

from __future__ import annotations

from unittest.mock import create_autospec

import grpc
import pytest

from {{ cookiecutter.package_name }}.servicers.{{ cookiecutter.__proto_name }} import {{ cookiecutter.service_name }}Service
from {{ cookiecutter.package_name }}.v1 import {{ cookiecutter.__proto_name }}_pb2 as pb


@pytest.fixture
def servicer() -> {{ cookiecutter.service_name }}Service:
    return {{ cookiecutter.service_name }}Service()


async def test_says_hello(servicer: {{ cookiecutter.service_name }}Service) -> None:
    context = create_autospec(grpc.aio.ServicerContext)
    response = await servicer.SayHello(pb.SayHelloRequest(name="World"), context)
    assert response == pb.SayHelloResponse(message="Hello, World!")

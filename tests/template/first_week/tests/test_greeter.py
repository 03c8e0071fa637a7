"""Every RPC of Greeter. A new RPC is one line in `CALLS`."""

from unittest.mock import AsyncMock, Mock, create_autospec

import grpc
import pytest

from greeter_service.gateway import testing
from greeter_service.servicers.greeter import GreeterService
from greeter_service.v1 import greeter_pb2 as pb

SERVICE = pb.DESCRIPTOR.services_by_name["Greeter"]
NAMES = ("Ada", "Grace")
CALLS = [
    testing.Case("SayHello", [pb.SayHelloRequest(name="World")]),
    testing.Case("SayHello", [pb.SayHelloRequest(name="error")], status="INVALID_ARGUMENT"),
    testing.Case("WatchGreetings", [pb.WatchGreetingsRequest(name="World", count=3)]),
    testing.Case("CollectNames", [pb.CollectNamesRequest(name=name) for name in NAMES]),
    testing.Case("CollectNames", [pb.CollectNamesRequest(name="A" * 10_001)], "RESOURCE_EXHAUSTED"),
    testing.Case("Chat", [pb.ChatRequest(name=name) for name in NAMES]),
]


@pytest.mark.parametrize("case", CALLS, ids=str)
async def test_the_same_over_every_protocol(service: testing.Server, case: testing.Case) -> None:
    await testing.assert_same(service, SERVICE, case)


def test_every_rpc_has_a_call() -> None:
    assert {case.rpc for case in CALLS} == set(SERVICE.methods_by_name)


async def test_says_hello(call: testing.Call) -> None:
    outcome = await call("SayHello", pb.SayHelloRequest(name="World"))
    assert outcome.messages == [pb.SayHelloResponse(message="Hello, World!")]


async def test_says_hello_without_a_server() -> None:
    context = create_autospec(grpc.aio.ServicerContext)
    resources = Mock(pool=Mock(fetchval=AsyncMock(return_value=None)))
    response = await GreeterService(resources).SayHello(pb.SayHelloRequest(name="Ada"), context)
    assert response.message == "Hello, Ada!"

"""The client helper."""

from __future__ import annotations

import grpc
import pytest

from greeter_service.client import channel
from greeter_service.service import Service
from greeter_service.settings import Settings
from greeter_service.v1 import greeter_pb2 as pb
from greeter_service.v1 import greeter_pb2_grpc as pb_grpc

from .certificates import Certificates


async def test_its_deadline_holds_for_every_call(service: Service) -> None:
    async with channel(f"127.0.0.1:{service.grpc_port}", deadline=0.1) as grpc_channel:
        chat = pb_grpc.GreeterStub(grpc_channel).Chat()
        assert await chat.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_it_tries_again_until_the_service_is_there() -> None:
    service = Service(Settings(http_port=0, grpc_port=0))
    await service.start()
    port = service.grpc_port
    async with channel(f"127.0.0.1:{port}", attempts=5) as grpc_channel:
        stub = pb_grpc.GreeterStub(grpc_channel)
        await stub.SayHello(pb.SayHelloRequest(name="World"))
        await service.stop()
        call = stub.SayHello(pb.SayHelloRequest(name="World"))
        async with Service(Settings(http_port=0, grpc_port=port)):
            assert (await call).message == "Hello, World!"


async def test_mutual_tls(certificates: Certificates) -> None:
    settings = Settings(
        http_port=0,
        grpc_port=0,
        tls_cert_file=certificates.server,
        tls_key_file=certificates.server_key,
        tls_client_ca_file=certificates.ca,
    )
    async with (
        Service(settings) as service,
        channel(
            f"localhost:{service.grpc_port}",
            ca_file=certificates.ca,
            cert_file=certificates.client,
            key_file=certificates.client_key,
        ) as grpc_channel,
    ):
        stub = pb_grpc.GreeterStub(grpc_channel)
        assert (await stub.SayHello(pb.SayHelloRequest(name="TLS"))).message == "Hello, TLS!"


def test_a_certificate_needs_its_key(certificates: Certificates) -> None:
    with pytest.raises(ValueError, match="needs its key"):
        channel("localhost:1", ca_file=certificates.ca, cert_file=certificates.client)

"""TLS and mutual TLS, on both listeners."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import grpc
import httpx
import pytest
from greeter.app import GreeterService, serve
from greeter.settings import Settings
from greeter_service.v1 import greeter_pb2 as pb
from greeter_service.v1 import greeter_pb2_grpc as pb_grpc
from polyrpc.process.server import Server
from polyrpc.testing import Certificates

PATH = "/grpc/greeterservice/sayhello"


def server_settings(certificates: Certificates, *, mutual: bool, http2: bool = False) -> Settings:
    return Settings(
        http_port=0,
        grpc_port=0,
        http2=http2,
        tls_cert_file=certificates.server,
        tls_key_file=certificates.server_key,
        tls_client_ca_file=certificates.ca if mutual else None,
    )


async def hello_over_http(
    service: Server, certificates: Certificates, *, with_certificate: bool, http2: bool = False
) -> str:
    context = ssl.create_default_context(cafile=certificates.ca)
    if with_certificate:
        context.load_cert_chain(certificates.client, certificates.client_key)
    async with httpx.AsyncClient(verify=context, http2=http2) as client:
        url = f"https://localhost:{service.http_port}{PATH}"
        response = await client.post(url, json={"name": "TLS"})
        assert response.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
        return str(response.json()["message"])


async def hello_over_http2(
    service: Server, certificates: Certificates, *, with_certificate: bool
) -> str:
    return await hello_over_http(
        service, certificates, with_certificate=with_certificate, http2=True
    )


async def hello_over_grpc(
    service: Server,
    certificates: Certificates,
    *,
    with_certificate: bool,
    on_the_http_port: bool = False,
) -> str:
    credentials = grpc.ssl_channel_credentials(
        certificates.ca.read_bytes(),
        certificates.client_key.read_bytes() if with_certificate else None,
        certificates.client.read_bytes() if with_certificate else None,
    )
    address = f"localhost:{service.http_port if on_the_http_port else service.grpc_port}"
    async with grpc.aio.secure_channel(address, credentials) as channel:
        stub = pb_grpc.GreeterStub(channel)
        return (await stub.SayHello(pb.SayHelloRequest(name="TLS"))).message


async def hello_over_grpc_on_the_http_port(
    service: Server, certificates: Certificates, *, with_certificate: bool
) -> str:
    return await hello_over_grpc(
        service, certificates, with_certificate=with_certificate, on_the_http_port=True
    )


OVER_HTTP2 = (hello_over_http2, hello_over_grpc_on_the_http_port)


async def test_tls(certificates: Certificates) -> None:
    async with serve(server_settings(certificates, mutual=False)) as service:
        for hello in (hello_over_http, hello_over_grpc):
            assert await hello(service, certificates, with_certificate=False) == "Hello, TLS!"


async def test_mutual_tls_with_a_client_certificate(certificates: Certificates) -> None:
    async with serve(server_settings(certificates, mutual=True)) as service:
        for hello in (hello_over_http, hello_over_grpc):
            assert await hello(service, certificates, with_certificate=True) == "Hello, TLS!"


async def test_mutual_tls_tells_the_servicer_who_calls(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    async def say_hello(_servicer: Any, _request: Any, context: Any) -> pb.SayHelloResponse:
        properties = context.auth_context()
        seen.append((properties["x509_common_name"], list(context.peer_identities())))
        return pb.SayHelloResponse()

    monkeypatch.setattr(GreeterService, "SayHello", say_hello)
    async with serve(server_settings(certificates, mutual=True)) as service:
        for hello in (hello_over_http, hello_over_grpc):
            await hello(service, certificates, with_certificate=True)
    async with serve(server_settings(certificates, mutual=True, http2=True)) as service:
        for hello in OVER_HTTP2:
            await hello(service, certificates, with_certificate=True)
    assert seen == [([b"tester"], [b"client.localhost"])] * 4


async def test_mutual_tls_refuses_strangers(certificates: Certificates) -> None:
    async with serve(server_settings(certificates, mutual=True)) as service:
        with pytest.raises(httpx.TransportError):
            await hello_over_http(service, certificates, with_certificate=False)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await hello_over_grpc(service, certificates, with_certificate=False)
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE
    async with serve(server_settings(certificates, mutual=True, http2=True)) as service:
        for hello in OVER_HTTP2:
            with pytest.raises((httpx.TransportError, grpc.aio.AioRpcError)):
                await hello(service, certificates, with_certificate=False)


@pytest.mark.parametrize(
    ("suite", "offered"),
    [
        ("ECDHE-ECDSA-AES128-GCM-SHA256", True),
        ("ECDHE-ECDSA-AES256-GCM-SHA384", True),
        ("ECDHE-ECDSA-AES128-SHA256", False),
        ("ECDHE-ECDSA-AES256-SHA", False),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", False),
    ],
)
async def test_both_listeners_have_the_same_cipher_suites(
    certificates: Certificates, suite: str, offered: bool
) -> None:
    client = ssl.create_default_context(cafile=certificates.ca)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers(f"{suite}:@SECLEVEL=0")
    client.set_alpn_protocols(["h2", "http/1.1"])
    settings = Settings(
        http_port=0,
        grpc_port=0,
        tls_cert_file=certificates.server,
        tls_key_file=certificates.server_key,
    )
    async with serve(settings) as service:
        for port in (service.http_port, service.grpc_port):
            try:
                _, writer = await asyncio.open_connection("localhost", port, ssl=client)
            except OSError:
                assert not offered
            else:
                writer.close()
                assert offered

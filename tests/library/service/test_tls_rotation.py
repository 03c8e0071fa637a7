"""Certificates, key and client CA are read again when their files change."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import httpx
import pytest
import trustme
from greeter.app import serve
from greeter.settings import Settings
from greeter_service.v1 import greeter_pb2 as pb
from greeter_service.v1 import greeter_pb2_grpc as pb_grpc
from polyrpc.client import channel
from polyrpc.process.server import Server
from polyrpc.server.tls import Tls
from polyrpc.testing import Certificates


class Mounted:
    """A folder whose content is swapped as that of mounted secrets is, by a link."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._versions = 0
        self.link = folder / "mounted"

    def mount(self, certificates: Certificates) -> None:
        self._versions += 1
        version = self._folder / str(self._versions)
        version.mkdir()
        for path in (certificates.ca, certificates.server, certificates.server_key):
            shutil.copy(path, version)
        if os.name == "nt":  # No link takes the place of another there, so files do.
            shutil.copytree(version, self.link, dirs_exist_ok=True)
            return
        link = self._folder / "new"
        link.symlink_to(version)
        link.replace(self.link)

    def settings(self, *, mutual: bool, http2: bool = False) -> Settings:
        return Settings(
            http_port=0,
            grpc_port=0,
            http2=http2,
            tls_cert_file=self.link / "server.pem",
            tls_key_file=self.link / "server.key",
            tls_client_ca_file=self.link / "ca.pem" if mutual else None,
        )


@pytest.fixture
def mounted(tmp_path: Path, certificates: Certificates) -> Mounted:
    mounted = Mounted(tmp_path)
    mounted.mount(certificates)
    return mounted


@pytest.fixture
def others(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("others"))


async def served_certificate(port: int) -> str:
    """What a new connection is shown."""
    return await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))


async def test_new_connections_see_the_new_certificate_and_old_ones_go_on(
    mounted: Mounted, certificates: Certificates, others: Certificates
) -> None:
    trust = ssl.create_default_context(cafile=certificates.ca)
    async with serve(mounted.settings(mutual=False)) as service:
        ports = (service.http_port, service.grpc_port)
        url = f"https://localhost:{service.http_port}/healthz"
        async with (
            httpx.AsyncClient(verify=trust) as client,
            channel(f"localhost:{service.grpc_port}", ca_file=certificates.ca) as grpc_channel,
        ):
            chat = pb_grpc.GreeterStub(grpc_channel).Chat()
            await chat.write(pb.ChatRequest(name="Ada"))
            await chat.read()
            await client.get(url)

            mounted.mount(others)
            for port in ports:
                while await served_certificate(port) != others.server.read_text():
                    pass

            assert (await client.get(url)).status_code == 200
            await chat.write(pb.ChatRequest(name="Ada"))
            assert await chat.read() == pb.ChatResponse(message="Hello, Ada!")


async def served_over_http2(port: int) -> str:
    """What a new connection is shown that offers HTTP/2, which it gets."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    trusting.set_alpn_protocols(["h2", "http/1.1"])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
    tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
    certificate = tls.getpeercert(binary_form=True)
    writer.transport.abort()
    assert tls.selected_alpn_protocol() == "h2"
    assert certificate is not None
    return ssl.DER_cert_to_PEM_cert(certificate)


async def test_so_do_those_of_http2(
    mounted: Mounted, certificates: Certificates, others: Certificates
) -> None:
    trust, new_trust = (ssl.create_default_context(cafile=one.ca) for one in (certificates, others))
    async with serve(mounted.settings(mutual=False, http2=True)) as service:
        port = service.http_port
        url = f"https://localhost:{port}/healthz"
        async with (
            httpx.AsyncClient(http2=True, verify=trust) as client,
            httpx.AsyncClient(http2=True, verify=new_trust) as newcomer,
            channel(f"localhost:{port}", ca_file=certificates.ca) as grpc_channel,
        ):
            chat = pb_grpc.GreeterStub(grpc_channel).Chat()
            await chat.write(pb.ChatRequest(name="Ada"))
            await chat.read()
            assert (await client.get(url)).http_version == "HTTP/2"
            assert await served_over_http2(port) == certificates.server.read_text()

            mounted.mount(others)
            while await served_over_http2(port) != others.server.read_text():
                pass

            # Neither would trust what a connection made anew is shown.
            assert (await client.get(url)).http_version == "HTTP/2"
            await chat.write(pb.ChatRequest(name="Ada"))
            assert await chat.read() == pb.ChatResponse(message="Hello, Ada!")
            assert (await newcomer.get(url)).http_version == "HTTP/2"


@pytest.mark.parametrize("http2", [False, True], ids=["both listeners", "HTTP/2"])
async def test_a_new_client_ca_locks_out_the_clients_of_the_old_one(
    mounted: Mounted, certificates: Certificates, others: Certificates, http2: bool
) -> None:
    async def hello(service: Server, client: Certificates) -> None:
        async with channel(
            f"localhost:{service.http_port if http2 else service.grpc_port}",
            ca_file=others.ca,
            cert_file=client.client,
            key_file=client.client_key,
            attempts=1,
        ) as grpc_channel:
            stub = pb_grpc.GreeterStub(grpc_channel)
            await stub.SayHello(pb.SayHelloRequest(name="TLS"))
        trust = ssl.create_default_context(cafile=others.ca)
        trust.load_cert_chain(client.client, client.client_key)
        async with httpx.AsyncClient(verify=trust, http2=http2) as http:
            answer = await http.get(f"https://localhost:{service.http_port}/healthz")
            assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")

    settings = mounted.settings(mutual=True, http2=http2)
    async with serve(settings) as service:
        mounted.mount(others)
        while True:
            try:
                await hello(service, others)
            except (grpc.aio.AioRpcError, httpx.TransportError):
                continue
            break
        with pytest.raises((grpc.aio.AioRpcError, httpx.TransportError)):
            await hello(service, certificates)


def test_files_that_do_not_fit_together_change_nothing_and_are_named_once(
    mounted: Mounted, others: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    tls = Tls.from_settings(mounted.settings(mutual=False))
    assert tls is not None
    before = tls.current
    others.server_key.write_bytes(others.client_key.read_bytes())
    mounted.mount(others)
    for _ in range(3):
        tls.reload_if_changed()
    assert tls.current is before
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "TLS_CERT_FILE" in caplog.text


def test_an_expired_certificate_is_warned_of_with_its_date(
    tmp_path: Path, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    expired = trustme.CA().issue_cert("localhost", not_after=yesterday)
    expired.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    Tls(tmp_path / "both.pem", tmp_path / "both.pem", certificates.ca)
    assert f"expired on {yesterday:%Y-%m-%d}" in caplog.text


def test_a_client_ca_that_may_sign_nothing_is_refused(certificates: Certificates) -> None:
    with pytest.raises(ValueError, match="TLS_CLIENT_CA_FILE"):
        Tls(certificates.server, certificates.server_key, certificates.client)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs on this platform")
@pytest.mark.parametrize("name", ["server.pem", "server.key", "ca.pem"])
def test_a_fifo_in_the_place_of_a_file_changes_nothing_and_holds_nobody_up(
    mounted: Mounted, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    tls = Tls.from_settings(mounted.settings(mutual=True))
    assert tls is not None
    before = tls.current
    (mounted.link / name).unlink()
    os.mkfifo(mounted.link / name)
    tls.reload_if_changed()
    assert tls.current is before
    (message,) = caplog.messages
    assert message.endswith("is no regular file")

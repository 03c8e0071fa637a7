"""One host means the same on every listener."""

from __future__ import annotations

import errno
import os
import socket

import pytest
from applications import echo
from polyrpc.server.http_server import HttpServer
from polyrpc.server.sockets import PortError, address_of, listen, reserve
from polyrpc.settings import ServiceSettings
from wire import connected, request

needs_ipv6 = pytest.mark.skipif(
    not socket.has_dualstack_ipv6(), reason="there is no IPv6 on this machine"
)


@needs_ipv6
@pytest.mark.parametrize("host", ["::", "0.0.0.0", "[::]", "0", "[0:0::0]"])
async def test_a_wildcard_takes_both_families(host: str) -> None:
    settings = ServiceSettings(http_host=host)
    server = HttpServer(echo, settings)
    listener = listen(settings.http_host, 0, "HTTP")
    port = listener.getsockname()[1]
    await server.start(listener)
    for address in ("127.0.0.1", "::1"):
        async with connected(port, host=address) as client:
            client.send(request())
            assert (await client.answer()).status == 200
    await server.stop(0)


@needs_ipv6
def test_a_port_is_reserved_for_both_families() -> None:
    with reserve("0.0.0.0", 0, "gRPC") as reservation:
        port = reservation.getsockname()[1]
        for host in ("127.0.0.1", "::1"):
            with pytest.raises(OSError, match=f"cannot listen for gRPC on {host} port {port}: "):
                listen(host, port, "gRPC")


@pytest.mark.parametrize(
    ("host", "address"), [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("localhost", "127.0.0.1")]
)
def test_other_hosts_are_one_address(host: str, address: str) -> None:
    assert address_of(host) == address


def test_a_name_without_an_address_is_said_by_name() -> None:
    assert address_of("nowhere.invalid") == "nowhere.invalid"
    with pytest.raises(OSError, match=r"cannot listen for HTTP on nowhere\.invalid port 0: "):
        listen("nowhere.invalid", 0, "HTTP")


def test_the_reason_is_all_that_is_said_besides() -> None:
    with listen("127.0.0.1", 0, "HTTP") as taken:
        port = taken.getsockname()[1]
        reason = os.strerror(errno.EADDRINUSE)
        with pytest.raises(PortError, match=f" on 127.0.0.1 port {port}: {reason}$"):
            listen("127.0.0.1", port, "HTTP")


def test_clients_are_asked_whether_they_are_still_there() -> None:
    with (
        listen("127.0.0.1", 0, "HTTP") as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)

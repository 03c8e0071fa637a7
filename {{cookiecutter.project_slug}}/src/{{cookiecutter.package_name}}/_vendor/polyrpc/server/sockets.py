"""Binding ports, so that a port that is taken is an error, and a host means one thing to all."""

from __future__ import annotations

import socket
from socket import AF_INET, AF_INET6, SO_REUSEADDR, SOL_SOCKET

ACCEPT_QUEUE = 2048
"""How many connections may wait to be accepted."""

_KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 20, "TCP_KEEPCNT": 3}
"""After so many seconds of silence a client is asked whether it is still there, so often."""


_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - it is for the settings to choose


def address_of(host: str) -> str:
    """Finds the one address that a host is on every listener, HTTP's and gRPC's.

    Both wildcards are all addresses of both families, as gRPC has it, where the system can do that.
    A name is its first IPv4 address, or the first of the others.

    Returns:
        An IP address; the host itself where it has none.
    """
    try:
        # For text, even for digits, Python imports the codec of international names.
        name = host.encode("ascii") if host.isascii() else host
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:  # Whoever binds it says why.
        address = host
    else:
        found.sort(key=lambda one: one[0] is not AF_INET)
        address = str(found[0][4][0])
    if address not in _WILDCARDS:
        return address
    of_ipv4, of_both = _WILDCARDS
    return of_both if socket.has_dualstack_ipv6() else of_ipv4


class PortError(OSError):
    """A port is taken, or cannot be bound; the text is one line that says which."""


def listen(host: str, port: int, protocol: str) -> socket.socket:
    """Binds a listener.

    Args:
        host: The address.
        port: 0 takes a free one.
        protocol: For the text of the error.

    Raises:
        PortError: The port is taken, or the address cannot be bound; the text says which.
    """
    address = address_of(host)
    try:
        listener = socket.create_server(
            (address, port),
            family=AF_INET6 if ":" in address else AF_INET,
            backlog=ACCEPT_QUEUE,
            dualstack_ipv6=address == "::" and socket.has_dualstack_ipv6(),
        )
    except OSError as error:
        # Behind the reason, Python repeats the address.
        reason = str(error.strerror).partition(" (while ")[0]
        raise PortError(
            error.errno, f"cannot listen for {protocol} on {host} port {port}: {reason}"
        ) from None
    # Those that are accepted inherit it.
    listener.setsockopt(SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return listener


def reserve(host: str, port: int, protocol: str) -> socket.socket:
    """Binds a port that this user's processes may listen on together while it is held.

    Raises:
        PortError: As `listen`; a port that others share is taken as well.
    """
    with listen(host, port, protocol) as probe:
        address = probe.getsockname()
        family = probe.family
    reservation = socket.socket(family)
    # The port may have connections that are long closed; but nobody else may bind it from now on.
    reservation.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    if address[0] == "::" and socket.has_dualstack_ipv6():
        reservation.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    reservation.bind(address)
    reservation.setsockopt(SOL_SOCKET, SO_REUSEADDR, 0)
    reservation.setsockopt(SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return reservation

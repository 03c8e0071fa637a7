"""Binding ports, so that a port that is taken is an error."""

from __future__ import annotations

import socket
from socket import AF_INET, AF_INET6, SO_REUSEADDR, SOL_SOCKET

ACCEPT_QUEUE = 2048
"""How many connections may wait to be accepted."""


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
    try:
        return socket.create_server((host, port), family=_family(host), backlog=ACCEPT_QUEUE)
    except OSError as error:
        raise PortError(
            error.errno, f"cannot listen for {protocol} on {host} port {port}: {error.strerror}"
        ) from None


def reserve(host: str, port: int, protocol: str) -> socket.socket:
    """Binds a port that this user's processes may listen on together while it is held.

    Raises:
        PortError: As `listen`; a port that others share is taken as well.
    """
    with listen(host, port, protocol) as probe:
        address = probe.getsockname()
    reservation = socket.socket(_family(host))
    # The port may have connections that are long closed; but nobody else may bind it from now on.
    reservation.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    reservation.bind(address)
    reservation.setsockopt(SOL_SOCKET, SO_REUSEADDR, 0)
    reservation.setsockopt(SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return reservation


def _family(host: str) -> socket.AddressFamily:
    return AF_INET6 if ":" in host else AF_INET

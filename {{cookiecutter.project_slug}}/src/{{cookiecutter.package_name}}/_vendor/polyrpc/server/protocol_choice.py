"""Which HTTP a client speaks, on a listener that has HTTP/1.1 and HTTP/2.

Under TLS the handshake says so (ALPN); in clear the first bytes do: who knows beforehand that
HTTP/2 is spoken here begins with its preface. Offers to upgrade to it are overlooked.
"""

from __future__ import annotations

import asyncio

from .connections import LINGER_SECONDS, ClientConnection, Connections
from .http2_frames import PREFACE
from .http2_protocol import Http2Protocol
from .http_protocol import HttpProtocol

ALPN_HTTP2 = "h2"

_ENOUGH_BYTES = 3  # No method of HTTP/1.1 begins like the preface.


class ProtocolChoice(ClientConnection):
    """A connection until it is clear what is spoken on it."""

    def __init__(self, connections: Connections, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(connections, loop)
        self._received = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # a wider one in typeshed
        self._enter(transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            self._leave()
            self._choose(is_2=tls.selected_alpn_protocol() == ALPN_HTTP2)
            return
        seconds = self.connections.limits.read_timeout
        self._look_in(LINGER_SECONDS if self.connections.stopping else seconds)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - it does not matter
        self._leave()

    def data_received(self, data: bytes) -> None:
        received = self._received = self._received + data
        if len(received) < _ENOUGH_BYTES and PREFACE.startswith(received):
            return
        self._leave()
        self._choose(is_2=received.startswith(PREFACE[:_ENOUGH_BYTES])).data_received(received)

    def finish(self) -> None:
        """Closes the connection soon, if the client does not ask for something meanwhile."""
        self._look_in(LINGER_SECONDS)

    def _choose(self, *, is_2: bool) -> HttpProtocol | Http2Protocol:
        protocol = (Http2Protocol if is_2 else HttpProtocol)(self.connections, self._loop)
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        return protocol

    def _look(self) -> None:
        self.transport.close()

"""The HTTP server: uvicorn, under this service's own start, drain and stop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from socket import AF_INET, AF_INET6, create_server, socket
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class HttpProtocol(HttpToolsProtocol):
    """Adds the ASGI TLS extension to the scope, for `context.auth_context()`."""

    _tls: dict[object, object] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if tls is not None:
            certificate = tls.getpeercert(binary_form=True)
            self._tls = {
                "client_cert_chain": [ssl.DER_cert_to_PEM_cert(certificate)] if certificate else [],
                "peer_certificate": tls.getpeercert(),
            }

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._tls is not None:
            self.scope["extensions"] = {"tls": self._tls}


class HttpServer(uvicorn.Server):
    """A uvicorn server whose owner handles the signals and the lifespan.

    Args:
        app: The ASGI application.
        context: For TLS; None serves plain HTTP.
        shutdown_grace_seconds: How long calls in flight may take to finish when it stops.
    """

    def __init__(
        self, app: Any, context: ssl.SSLContext | None, shutdown_grace_seconds: float
    ) -> None:
        config = uvicorn.Config(
            app,
            http=HttpProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            # Declared as int; asyncio, which it goes to, takes any number.
            timeout_graceful_shutdown=cast(int, shutdown_grace_seconds),
        )
        config.load()
        config.ssl = context
        super().__init__(config)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals alone."""
        yield


def listen(host: str, port: int) -> socket:
    """Binds the HTTP listener.

    Raises:
        OSError: The port is taken, or the address cannot be bound; the text says which.
    """
    try:
        return create_server(
            (host, port), family=AF_INET6 if ":" in host else AF_INET, backlog=2048
        )
    except OSError as error:
        raise OSError(
            error.errno, f"cannot listen for HTTP on {host} port {port}: {error.strerror}"
        ) from None

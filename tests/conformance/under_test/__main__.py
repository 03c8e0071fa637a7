"""The server under test: asked for on standard input, as the runner's `server_compat.proto` says.

It is a whole service behind the library's own listeners. The HTTP listener is what is tested, with
every protocol and HTTP/2; `--listener=grpc` takes the one of `grpc.aio` instead.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import ssl
import struct
import sys
import tempfile
from pathlib import Path
from typing import Any

from connectrpc.conformance.v1 import server_compat_pb2 as pb
from esmerald import Gateway, route
from polyrpc import Service, ServiceSettings
from polyrpc.logs import configure_logging
from polyrpc.process.server import Server
from polyrpc.process.signals import on_signals, run_loop

from .interop_service import TestService
from .service import ConformanceService

HOST = "127.0.0.1"
SECONDS_UNTIL_LATE = 0.2
_SIZE = struct.Struct(">I")


class Settings(ServiceSettings, prefix="CONFORMANCE_"):
    """Those of every service; what the runner does not set may be set in the environment."""


def settings_of(request: Any, listener: str, folder: Path) -> Settings:
    """What the runner asks for, in this library's terms; `folder` is where the files go."""
    values: dict[str, Any] = {"http_host": HOST, "grpc_host": HOST, "http_port": 0, "grpc_port": 0}
    if listener == "http":
        values |= {"http2": True, "grpc_server": "none"}
    if request.message_receive_limit:
        values["max_message_bytes"] = request.message_receive_limit
    files = {}
    if request.use_tls:
        files["tls_cert_file"] = request.server_creds.cert
        files["tls_key_file"] = request.server_creds.key
    for name, content in files.items():
        values[name] = folder / f"{name}.pem"
        values[name].write_bytes(content)
    return Settings(**values)


def read_request() -> Any:
    """The one message that the runner sends."""
    (size,) = _SIZE.unpack(sys.stdin.buffer.read(_SIZE.size))
    return pb.ServerCompatRequest.FromString(sys.stdin.buffer.read(size))


def write_response(response: Any) -> None:
    """Tells the runner where to call."""
    message = response.SerializeToString()
    sys.stdout.buffer.write(_SIZE.pack(len(message)) + message)
    sys.stdout.buffer.flush()


def trust(context: ssl.SSLContext, client_certificate: bytes) -> None:
    """Asks clients for this certificate.

    It is signed by itself and by no CA, so `TLS_CLIENT_CA_FILE` would refuse it.
    """
    context.load_verify_locations(cadata=client_certificate.decode())
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_mode = ssl.CERT_REQUIRED


@route(methods=["GET", "POST"])
async def late() -> str:
    """Answers when all that a judge has to say of a request has come."""
    await asyncio.sleep(SECONDS_UNTIL_LATE)
    return "late"


async def serve(settings: Settings, listener: str, request: Any) -> None:
    """Serves until the runner ends it."""
    stop = on_signals(signal.SIGTERM, signal.SIGINT)
    service = Service(
        settings,
        package=__package__,
        servicers=[ConformanceService, TestService],
        routes=[Gateway("/late", handler=late)],
    )
    certificate = b""
    if service.tls is not None:
        certificate = request.server_creds.cert
        if request.client_tls_cert:
            trust(service.tls.current, request.client_tls_cert)
    async with Server(service.app) as server:
        port = server.http_port if listener == "http" else server.grpc_port
        write_response(pb.ServerCompatResponse(host=HOST, port=port, pem_cert=certificate))
        await stop.get()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listener", choices=("http", "grpc"), default="http")
    listener = parser.parse_args().listener
    request = read_request()
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_of(request, listener, Path(folder))
        configure_logging("critical", "json")
        run_loop(lambda: serve(settings, listener, request))


if __name__ == "__main__":
    main()

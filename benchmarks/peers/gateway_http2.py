"""`ServiceGateway` alone over HTTP/2: the service's own server, and none of its concerns."""

from __future__ import annotations

import asyncio
import socket
import sys

import uvloop
from bench._vendor.polyrpc.server.http_server import HttpServer
from bench.gateway import ServiceGateway, ServiceSettings
from esmerald import Esmerald
from esmerald.contrib.grpc.register import register_grpc_http_routes
from servicer import BenchService


async def main() -> None:
    gateway = ServiceGateway(path="/grpc", services=[BenchService], http_methods=["POST"], port=0)
    app = Esmerald()
    register_grpc_http_routes(app, [gateway])
    await gateway.startup()
    server = HttpServer(app, ServiceSettings(http2=True))
    await server.start(socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096))
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())

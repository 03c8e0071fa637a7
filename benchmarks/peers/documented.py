"""`ServiceGateway` registered in an Esmerald application as documented, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.gateway import ServiceGateway
from esmerald import Esmerald
from esmerald.contrib.grpc.register import register_grpc_http_routes
from serve import serve
from servicer import BenchService

gateway = ServiceGateway(path="/grpc", services=[BenchService], http_methods=["POST"], port=0)


@asynccontextmanager
async def lifespan(_app: Esmerald) -> AsyncIterator[None]:
    await gateway.startup()
    yield
    await gateway.shutdown()


app = Esmerald(lifespan=lifespan)
register_grpc_http_routes(app, [gateway])

if __name__ == "__main__":
    serve(app)

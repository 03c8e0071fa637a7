"""RPCs on the general way through the framework, where other routes stand behind them."""

from __future__ import annotations

from typing import Any

import pytest
from polyrpc.framework.application import UnchangedLogging
from polyrpc.framework.errors import error_handlers
from polyrpc.framework.imports import (
    Application,
    DefineMiddleware,
    Include,
    JSONResponse,
    register_grpc_http_routes,
)
from polyrpc.framework.own_routes import around_routes
from polyrpc.interceptors.auth import Tokens
from polyrpc.interceptors.standard import StandardInterceptor
from serving import EchoService, gateway_of
from testing.v1 import media_pb2_grpc

TOKENS = Tokens("the-token")


class MediaService(media_pb2_grpc.MediaServicer):
    @classmethod
    def __add_to_server__(cls, instance: Any, server: Any) -> None:
        media_pb2_grpc.add_MediaServicer_to_server(instance, server)

    async def Echo(self, request: Any, context: Any) -> Any:
        return request


class Passing:
    """Middleware that takes RPCs the general way."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


KNOWN = (b"authorization", b"Bearer the-token")


@pytest.mark.parametrize("headers", [[], [KNOWN]], ids=["stranger", "known"])
@pytest.mark.parametrize(
    "path", ["/grpc/echoservice/unary", "/grpc/echoservice/clientstream", "/v1/media"]
)
async def test_a_client_that_goes_reaches_no_route_behind_an_rpc(
    path: str, headers: list[tuple[bytes, bytes]]
) -> None:
    reached: list[str] = []

    async def secret(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["path"])
        await JSONResponse({})(scope, receive, send)

    app = Application(
        middleware=around_routes(TOKENS, [DefineMiddleware(Passing)]),
        exception_handlers=error_handlers(),
        logging_config=UnchangedLogging(),
    )
    gateway = gateway_of(
        EchoService,
        MediaService,
        http_methods=["POST"],
        interceptors=[StandardInterceptor(tokens=TOKENS)],
    )
    register_grpc_http_routes(app, [gateway])
    app.router.routes.append(Include("/", app=secret))
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(event: Any) -> None:
        sent.append(event)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "extensions": {},
        "headers": [(b"host", b"test"), (b"content-type", b"application/json"), *headers],
    }
    await app(scope, receive, send)
    assert reached == []

"""The applications of a service: its own, that of `ADMIN_PORT`, and the probes of both."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from ..health import Health
from ..interceptors.auth import Tokens
from ..interceptors.metrics import Metrics
from ..settings import ServiceSettings
from .cors import Cors
from .errors import error_handlers
from .imports import (
    Application,
    Contact,
    DefineMiddleware,
    GrpcGateway,
    JSONResponse,
    LoggingConfig,
    Response,
    ServiceUnavailable,
    get,
    register_grpc_http_routes,
)
from .own_routes import around_routes
from .routing import ProbeGateway
from .swagger_ui import DocumentAlone, docs_routes

_DESCRIPTION = (
    "Every operation is an RPC that answers over gRPC as well, and by gRPC-Web and Connect at "
    "`POST /{package.Service}/{Method}`."
)


def make_application(
    gateway: GrpcGateway,
    health: Health,
    metrics: Metrics,
    settings: ServiceSettings,
    *,
    package: str,
    title: str,
    version: str,
    summary: str | None,
    routes: Sequence[Any],
    middleware: Sequence[Any],
    lifespan: Callable[[Any], Any],
) -> Application:
    """Makes the application: the gateway's routes, the team's, probes and documentation.

    Args:
        gateway: Its RPCs become routes.
        health: What `/readyz` asks.
        metrics: What `/metrics` tells.
        settings: Whom to let in.
        package: The service's, which has the files of its documentation page.
        title: For the OpenAPI document.
        version: Likewise.
        summary: Likewise.
        routes: The team's own.
        middleware: Likewise.
        lifespan: Of the application.
    """
    origins = settings.cors_allow_origins
    tokens = Tokens.from_settings(settings)
    asks_for_tokens = tokens is not None
    app = Application(
        title=title,
        version=version,
        summary=summary,
        description=_DESCRIPTION,
        contact=Contact(),
        routes=[
            *admin_routes(health, metrics),
            *docs_routes(title, package, asks_for_tokens=asks_for_tokens),
            *routes,
        ],
        middleware=[
            *([DefineMiddleware(Cors, origins=origins)] if origins else []),
            *around_routes(tokens, middleware, metrics, settings.max_message_bytes, origins),
        ],
        exception_handlers=error_handlers(),
        lifespan=lifespan,
        logging_config=UnchangedLogging(),
        enable_openapi=True,
        openapi_config=DocumentAlone(asks_for_tokens=asks_for_tokens),
    )
    # Or else the framework adds its documents' routes again, and orders all, with each RPC's route.
    app.enable_openapi = False
    register_grpc_http_routes(app, [gateway])
    app.enable_openapi = True
    app.router.activate()
    return app


def admin_app(health: Health, service_metrics: Metrics) -> Application:
    """Makes the application of `ADMIN_PORT`: those paths and nothing else."""
    return Application(
        routes=admin_routes(health, service_metrics),
        middleware=around_routes(metrics=service_metrics),
        exception_handlers=error_handlers(),
        logging_config=UnchangedLogging(),
        enable_openapi=False,
    )


def admin_routes(health: Health, service_metrics: Metrics) -> list[ProbeGateway]:
    """Makes `/healthz` (the process is alive), `/readyz` (it may be sent calls) and `/metrics`."""

    @get(include_in_schema=False)
    async def healthz() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @get(include_in_schema=False)
    async def readyz() -> JSONResponse:
        if not health.serving:
            failing = ", ".join(health.failing)
            raise ServiceUnavailable(f"not serving: {failing}" if failing else "not serving")
        return JSONResponse({"status": "ok"})

    @get(include_in_schema=False)
    async def metrics() -> Response[Any]:
        exposition, content_type = service_metrics.exposition()
        return Response(exposition, headers={"content-type": content_type})

    return [
        ProbeGateway("/healthz", handler=healthz),
        ProbeGateway("/readyz", handler=readyz),
        ProbeGateway("/metrics", handler=metrics),
    ]


class UnchangedLogging(LoggingConfig):
    """Makes an application log through whatever the process has configured."""

    def __init__(self) -> None:
        super().__init__(skip_setup_configure=True)

    def get_logger(self) -> logging.Logger:
        """Follows the framework's `LoggingConfig`."""
        return logging.getLogger(Application.__module__.partition(".")[0])

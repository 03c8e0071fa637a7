"""The one place where the parts are wired."""

from __future__ import annotations

from importlib.metadata import metadata
from importlib.resources import files

from grpc_health.v1.health import SERVICE_NAME as HEALTH

from .admin import admin_routes
from .docs import docs_config, docs_routes
from .gateway import ServiceGateway, service_names
from .gateway.framework import (
    Application,
    Contact,
    UnchangedLogging,
    register_grpc_http_routes,
)
from .grpc_options import channel_arguments
from .health import HealthService
from .http_errors import error_handlers
from .interceptors import interceptors, tokens_of
from .interceptors.registry import Metrics
from .lifespan import Lifespan
from .listeners import address_of
from .own_routes import around_routes
from .reflection import ReflectionService
from .servicers import SERVICERS
from .settings import Settings
from .tls import Tls

SERVICES = service_names(SERVICERS)


def create_app(settings: Settings | None = None) -> Application:
    """Makes the application. Its lifespan starts and stops the gRPC server.

    Args:
        settings: None reads them from the environment.

    Raises:
        SettingsError: A setting is wrong.
    """
    settings = settings or Settings.from_environment()
    tls = Tls.from_settings(settings)
    health = HealthService(SERVICES)
    metrics = Metrics()
    gateway = ServiceGateway(
        path="/grpc",
        # One instance of each. What a servicer depends on, it is given here.
        services=[servicer() for servicer in SERVICERS],
        http_methods=["POST"],
        is_secure=tls is not None,
        server_credentials=None if tls is None else tls.credentials,
        host=address_of(settings.grpc_host),
        port=settings.grpc_port,
        native_services=[
            health,
            *([ReflectionService([*SERVICES, HEALTH])] if settings.reflection else []),
        ],
        interceptors=interceptors(settings, metrics),
        options=channel_arguments(settings),
        max_message_bytes=settings.max_message_bytes,
        default_timeout=settings.default_timeout_seconds,
        descriptor_set=files(__package__).joinpath("descriptors.binpb").read_bytes(),
    )
    lifespan = Lifespan(gateway, health, tls, settings.shutdown_grace_seconds)
    about = metadata("{{ cookiecutter.project_slug }}")
    app = Application(
        title=about["Name"],
        version=about["Version"],
        summary=about["Summary"],
        description="Every operation is an RPC that answers over gRPC as well.",
        contact=Contact(),
        routes=[*admin_routes(health, metrics), *docs_routes(about["Name"])],
        middleware=around_routes(tokens_of(settings), metrics=metrics),
        exception_handlers=error_handlers(),
        lifespan=lifespan,
        logging_config=UnchangedLogging(),
        enable_openapi=True,
        openapi_config=docs_config(),
    )
    app.state.health = health
    app.state.metrics = metrics
    app.state.lifespan = lifespan
    app.state.tls = tls
    # Or else the framework adds its documents' routes again, and orders all, with each RPC's route.
    app.enable_openapi = False
    register_grpc_http_routes(app, [gateway])
    app.enable_openapi = True
    app.router.activate()
    return app

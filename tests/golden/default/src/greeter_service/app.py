"""The one place where the parts are wired."""

from __future__ import annotations

from esmerald import Esmerald

from .gateway import Service
from .lifespan import lifespan
from .servicers import SERVICERS
from .settings import Settings


def create_app(settings: Settings | None = None) -> Esmerald:
    """Make the application; its lifespan starts and stops the gRPC server.

    Args:
        settings: None reads them from the environment.

    Raises:
        SettingsError: A setting is wrong.
    """
    app: Esmerald = Service(
        settings or Settings(),
        package=__package__,
        servicers=SERVICERS,
        lifespan=lifespan,
        background=[],  # async def task(resources): runs in each process until it stops
        interceptors=[],  # polyrpc's Interceptor, or any grpc.aio.ServerInterceptor
        errors={},  # your exception classes: StatusCode.NOT_FOUND, …
        routes=[],  # the framework's own
        middleware=[],
    ).app
    return app

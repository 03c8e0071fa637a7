"""The one place where the parts are wired."""

from __future__ import annotations

import grpc
from esmerald import Esmerald

from .gateway import Service, Validation
from .lifespan import lifespan
from .outbox import outbox
from .routes import ROUTES
from .servicers import SERVICERS
from .servicers.greeter import AbsentError
from .settings import Settings


def create_app(settings: Settings | None = None) -> Esmerald:
    """Make the application; its lifespan starts and stops the gRPC server.

    Args:
        settings: None reads them from the environment.

    Raises:
        SettingsError: A setting is wrong.
    """
    service = Service(
        settings or Settings(),
        package=__package__,
        servicers=SERVICERS,
        lifespan=lifespan,
        background=[outbox],
        interceptors=[Validation()],
        errors={AbsentError: grpc.StatusCode.NOT_FOUND},
        routes=ROUTES,
        middleware=[],
    )
    app: Esmerald = service.app
    return app

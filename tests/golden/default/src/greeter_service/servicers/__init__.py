"""What the RPCs do: one module per service. Imports nothing from `gateway`."""

from __future__ import annotations

from typing import Any

from .greeter import GreeterService

# Served over every protocol, with health, reflection and OpenAPI.
SERVICERS: list[type[Any]] = [
    # `nox -s add_service -- PROTO` adds one.
    GreeterService,
]

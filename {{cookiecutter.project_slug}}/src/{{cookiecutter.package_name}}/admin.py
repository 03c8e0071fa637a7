"""The HTTP paths for probes."""

from __future__ import annotations

from esmerald import Gateway, JSONResponse, get
from esmerald.exceptions import ServiceUnavailable

from .health import HealthService


def admin_routes(health: HealthService) -> list[Gateway]:
    """Makes `/healthz` (the process is alive) and `/readyz` (it may be sent calls)."""

    @get(include_in_schema=False)
    async def healthz() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @get(include_in_schema=False)
    async def readyz() -> JSONResponse:
        if not health.serving:
            raise ServiceUnavailable("not serving")
        return JSONResponse({"status": "ok"})

    return [Gateway("/healthz", handler=healthz), Gateway("/readyz", handler=readyz)]

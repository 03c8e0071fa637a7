"""The HTTP paths for probes and for Prometheus."""

from __future__ import annotations

from typing import Any

from ..health import Health
from ..interceptors.metrics import Metrics
from .imports import JSONResponse, Response, ServiceUnavailable, get
from .routing import ProbeGateway


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

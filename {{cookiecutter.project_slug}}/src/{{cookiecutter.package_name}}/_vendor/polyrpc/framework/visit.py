"""What becomes known of a request to the application's own routes on its way to one."""

from __future__ import annotations

from dataclasses import dataclass

from ..rpc.method_info import UNKNOWN

VISIT = "own_routes.visit"
"""Where a request has its `Visit` in its ASGI scope."""

CLIENT_CLOSED = 499
"""The status of a request whose client left before it had one."""


@dataclass(slots=True)
class Visit:
    """What becomes known of a request on its way.

    Attributes:
        route: The pattern of the route that it reaches.
        is_probe: Whether that is a `ProbeGateway`.
        is_of_an_rpc: Whether an RPC answers it, which does by itself what there is to do.
        status: The HTTP status of the response, once that has begun.
        is_cut: Whether the rest of the response is missing.
    """

    route: str = UNKNOWN
    is_probe: bool = False
    is_of_an_rpc: bool = False
    status: int = 0
    is_cut: bool = False

"""HTTP <-> gRPC. Imports nothing of the service that it serves."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .gateway import ServiceGateway
    from .rpc.methods import service_names

__all__ = ["ServiceGateway", "service_names"]

_MODULES = {"ServiceGateway": ".gateway", "service_names": ".methods"}


def __getattr__(name: str) -> Any:
    # Late, so that `rest.http_rule` can be asked where no web framework is installed.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name], __name__), name)

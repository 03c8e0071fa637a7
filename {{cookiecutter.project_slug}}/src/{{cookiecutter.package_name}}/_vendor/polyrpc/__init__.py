"""gRPC services that answer HTTP/JSON too, in an application of Esmerald or Ravyn.

`ServiceGateway` adds the RPCs of services to any application. `Service` and `run` make a whole
process of servicers: settings, health, TLS, logs, metrics, limits, a drain without a lost call.
`testing` is for the tests of such a service. Everything else in here is private.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import channel
    from .gateway import ServiceGateway
    from .health import Health
    from .interceptors.request_id import request_id
    from .interceptors.validation import Validation
    from .process.cli import run
    from .rpc.caller import caller
    from .rpc.interceptors import Interceptor
    from .rpc.method_info import MethodInfo
    from .rpc.status import CallError
    from .service import Service
    from .settings import ServiceSettings, SettingsError

__all__ = [
    "CallError",
    "Health",
    "Interceptor",
    "MethodInfo",
    "Service",
    "ServiceGateway",
    "ServiceSettings",
    "SettingsError",
    "Validation",
    "caller",
    "channel",
    "request_id",
    "run",
]

# Imported when they are asked for: what compiles protos or adds a service needs none of them, nor
# what they import in turn.
_MODULES = {
    "CallError": "rpc.status",
    "Health": "health",
    "Interceptor": "rpc.interceptors",
    "MethodInfo": "rpc.method_info",
    "Service": "service",
    "ServiceGateway": "gateway",
    "ServiceSettings": "settings",
    "SettingsError": "settings",
    "Validation": "interceptors.validation",
    "caller": "rpc.caller",
    "channel": "client",
    "request_id": "interceptors.request_id",
    "run": "process.cli",
}


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{module}", __name__), name)
    return value

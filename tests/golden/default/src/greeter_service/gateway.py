"""Where the library comes from: only this module knows; all others import its names from here."""

from ._vendor.polyrpc import (
    CallError,
    Health,
    Interceptor,
    MethodInfo,
    Service,
    ServiceGateway,
    ServiceSettings,
    SettingsError,
    Validation,
    caller,
    channel,
    request_id,
    run,
    testing,
)

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
    "testing",
]

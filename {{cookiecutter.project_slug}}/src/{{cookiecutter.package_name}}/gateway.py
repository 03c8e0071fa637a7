"""Where the library comes from: only this module knows; all others import its names from here."""

{% if cookiecutter.library == 'vendored' %}
from ._vendor.polyrpc import (
{% else %}
from polyrpc import (
{% endif %}
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

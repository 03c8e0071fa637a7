"""Where the library comes from: this one module knows, all others import its names from here."""

{% if cookiecutter.library == 'vendored' %}
from ._vendor.polyrpc import (
{% else %}
from polyrpc import (
{% endif %}
    CallError as CallError,
    Health as Health,
    Interceptor as Interceptor,
    MethodInfo as MethodInfo,
    Service as Service,
    ServiceGateway as ServiceGateway,
    ServiceSettings as ServiceSettings,
    SettingsError as SettingsError,
    Validation as Validation,
    caller as caller,
    channel as channel,
    request_id as request_id,
    run as run,
    testing as testing,
)

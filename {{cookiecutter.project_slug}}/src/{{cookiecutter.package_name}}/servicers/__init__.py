"""What the RPCs do: one module per service. Imports nothing from `gateway`."""

from __future__ import annotations

from typing import Any
{% if not cookiecutter.proto_file %}

from .{{ cookiecutter.__proto_name }} import {{ cookiecutter.service_name }}Service
{% endif %}

# Served over every protocol, with health, reflection and OpenAPI.
SERVICERS: list[type[Any]] = [
    # `nox -s add_service -- PROTO` adds one.
{% if not cookiecutter.proto_file %}
    {{ cookiecutter.service_name }}Service,
{% endif %}
]

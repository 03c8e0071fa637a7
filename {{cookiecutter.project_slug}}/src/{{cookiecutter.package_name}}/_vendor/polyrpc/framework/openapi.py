"""The seam to the framework's OpenAPI documents, made anew from the routes at each request.

A route handler tells what it answers by an attribute `operations`, and stays out of the
framework's own description by `include_in_schema=False`. No object of an application sees its
whole document: a parent's document holds the routes of its children, which are made before the
parent is. So the method that all documents come from is wrapped, once.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ..openapi.document import describe
from ..openapi.operation import Operation, PathParameter
from .imports import (
    Include,
    OpenAPIConfig,
    clean_path,
    get_openapi_security_schemes,
    should_include_in_schema,
)

_CONVERTER = re.compile(r"\{(\w+)(:[^}]*)?\}")


@functools.cache
def install() -> None:
    """Add the operations of gateways to the documents of the applications that route to them.

    Applications of any age are served: what counts are their routes when a document is asked for.
    """
    original = OpenAPIConfig.openapi

    @functools.wraps(original)
    def openapi(self: OpenAPIConfig, app: Any) -> dict[str, Any]:
        document = original(self, app)
        add_operations(document, app)
        return document

    OpenAPIConfig.openapi = openapi  # type: ignore[method-assign]  # the purpose of this module


def add_operations(document: dict[str, Any], app: Any) -> None:
    """Add to a document what the handlers among an application's routes answer.

    Args:
        document: The document that the framework made of `app`; changed in place.
        app: The application.
    """
    security_schemes: dict[str, Any] = {}
    operations = list(_operations(app.routes, "/", bool(app.router.deprecated), security_schemes))
    if not operations:
        return
    described = [
        operation
        for methods in document["paths"].values()
        for operation in methods.values()
        if isinstance(operation, dict)
    ]
    components = document.setdefault("components", {})
    schemas = components.get("schemas", {})
    added = describe(
        operations,
        error_name="Error" if "Error" not in schemas else "RpcError",
        taken_ids=[one["operationId"] for one in described if "operationId" in one],
    )
    for operation in described:
        for parameter in operation.get("parameters") or ():
            if parameter.get("in") != "query":
                # The framework writes them for all; OpenAPI knows them there alone.
                parameter.pop("allowEmptyValue", None)
                parameter.pop("allowReserved", None)
    for path, methods in added["paths"].items():
        # The application's own routes are asked first.
        document["paths"][path] = methods | document["paths"].get(path, {})
    added["components"]["securitySchemes"] |= security_schemes
    for kind, members in added["components"].items():
        if members:
            components.setdefault(kind, {}).update(members)
    # The framework writes the application's tags as bare names, which OpenAPI does not know.
    tags = [tag if isinstance(tag, dict) else {"name": tag} for tag in document.get("tags", ())]
    document["tags"] = tags + added["tags"]


def _operations(
    routes: Iterable[Any], prefix: str, deprecated: bool, security_schemes: dict[str, Any]
) -> Iterator[Operation]:
    """Yield the operations below `routes`, which the framework's own walk would include."""
    for route in routes:
        deprecated_route = deprecated or bool(getattr(route, "deprecated", False))
        path = clean_path(prefix + route.path)
        if isinstance(route, Include):
            if should_include_in_schema(route):
                yield from _operations(route.routes, path, deprecated_route, security_schemes)
            continue
        handler = getattr(route, "handler", None)
        # Another package's copy of this module adds its own.
        operations = [o for o in getattr(handler, "operations", ()) if isinstance(o, Operation)]
        if handler is None or not operations or not route.include_in_schema:
            continue
        definitions, _ = get_openapi_security_schemes(handler.get_security_schemes())
        for name, scheme in definitions.items():
            # The framework writes a member there that OpenAPI does not know.
            security_schemes[name] = {k: v for k, v in scheme.items() if k != "scheme_name"}
        base = _CONVERTER.sub(r"{\1}", path.removesuffix(clean_path(handler.path)))
        base_parameters = [
            PathParameter(name, None, f"{{{name}}}", multi_segment=False)
            for name, _ in _CONVERTER.findall(base)
        ]
        for operation in operations:
            yield replace(
                operation,
                path=base + operation.path,
                parameters=(*base_parameters, *operation.parameters),
                deprecated=deprecated_route,
                security=[{name: []} for name in definitions],
            )

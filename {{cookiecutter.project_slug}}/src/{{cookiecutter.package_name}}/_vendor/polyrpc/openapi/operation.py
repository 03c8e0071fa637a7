"""What an OpenAPI document says one HTTP method and path do, with their parameters.

These are parts of the path, and fields in the query string.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from ..protojson.style import CANONICAL_STYLE, JsonStyle
from ..rpc.methods import RpcMethod
from ..transcoding.http_methods import message_is_in_query
from ..transcoding.http_rule import Rule
from ..transcoding.path_template import PathTemplate, Variable, Wildcard
from ..transcoding.query import QueryDecoder
from .schema import MessageSchemas

_PCHAR = "-._~!$&'()+,;=:@"


@dataclass(frozen=True, slots=True)
class PathParameter:
    """One parameter of an OpenAPI path.

    Attributes:
        name: Its name between the braces, unique in the path.
        variable: The field path of the variable that it is a part of; None outside of variables.
        spelling: How the variable's value is put together, such as `shelves/{shelvesId}`.
        multi_segment: Whether it stands for `**`, whose slashes OpenAPI cannot express.
    """

    name: str
    variable: str | None
    spelling: str
    multi_segment: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """One HTTP method and path that an RPC answers.

    Attributes:
        rpc: The RPC.
        http_method: The HTTP method, in capitals. One that OpenAPI has no name for is left out of
            the document.
        path: The path as OpenAPI spells it, below the base path of the registration.
        parameters: The parameters of the path.
        body: What the body holds, as in `google.api.http`: `*` for the whole message, the name of
            a field, or nothing. Fields in neither the path nor the body are query parameters.
        response_body: The name of the field that is the answer; empty for the whole message.
        style: How messages are written.
        comments: Comments by the full names of what they are about (see `comments.comments_of`).
        deprecated: Whether the route is deprecated, whatever the `.proto` file says.
        security: The security requirements, as OpenAPI writes them.
        security_schemes: What callers authenticate with, as OpenAPI's security schemes by name.
    """

    rpc: RpcMethod
    http_method: str
    path: str
    parameters: tuple[PathParameter, ...] = ()
    body: str = "*"
    response_body: str = ""
    style: JsonStyle = CANONICAL_STYLE
    comments: Mapping[str, str] = field(default_factory=dict)
    deprecated: bool = False
    security: Sequence[dict[str, list[str]]] = ()
    security_schemes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def rpc_operations(
    rpc: RpcMethod,
    path: str,
    http_methods: Iterable[str],
    style: JsonStyle,
    comments: Mapping[str, str],
) -> list[Operation]:
    """Return the operations of an RPC's plain route, one for each of the HTTP methods."""
    return [
        Operation(
            rpc,
            http_method,
            path,
            body="" if message_is_in_query(http_method) else "*",
            style=style,
            comments=comments,
        )
        for http_method in http_methods
    ]


def rest_operation(
    rpc: RpcMethod, rule: Rule, style: JsonStyle, comments: Mapping[str, str]
) -> Operation:
    """Return the operation of a `google.api.http` rule of an RPC."""
    path, parameters = openapi_path(rule.template)
    return Operation(
        rpc,
        rule.method,
        path,
        parameters,
        body=rule.body,
        response_body=rule.response_body,
        style=style,
        comments=comments,
    )


def openapi_path(template: PathTemplate) -> tuple[str, tuple[PathParameter, ...]]:
    """Return the path of a template for an OpenAPI document, and its parameters in order.

    A single-segment variable keeps its name. A multi-segment one becomes its segments, each
    wildcard named after the collection before it (`/v1/shelves/{shelvesId}/books/{booksId}`), as
    in Google's discovery documents: OpenAPI clients would encode the slashes of a single value.
    """
    owners = {
        index: variable
        for variable in template.fields
        for index in range(variable.start, variable.stop)
    }
    names: dict[int, str] = {}
    spelled: list[str] = []
    for index, segment in enumerate(template.segments):
        if isinstance(segment, Wildcard):
            names[index] = _unique(_name(template, index, owners.get(index)), names)
            spelled.append(f"{{{names[index]}}}")
        else:
            spelled.append(quote(segment, safe=_PCHAR))
    parameters = []
    for index, name in names.items():
        owner = owners.get(index)
        parameters.append(
            PathParameter(
                name,
                owner.field_path if owner else None,
                "/".join(spelled[owner.start : owner.stop]) if owner else spelled[index],
                template.segments[index] is Wildcard.ANY,
            )
        )
    verb = "" if template.verb is None else f":{quote(template.verb, safe=_PCHAR)}"
    return f"/{'/'.join(spelled)}{verb}", tuple(parameters)


def path_parameters(
    operation: Operation, names: Sequence[str], schemas: MessageSchemas
) -> Iterator[dict[str, Any]]:
    """Write the parameters of an operation's path.

    Args:
        operation: The operation.
        names: What to call its parameters, in the order in which the path has them.
        schemas: Writes the schemas.
    """
    request = operation.rpc.descriptor.input_type
    for name, parameter in zip(names, operation.parameters, strict=True):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            **_path_value(request, parameter, schemas),
        }


def _path_value(
    request: Descriptor, parameter: PathParameter, schemas: MessageSchemas
) -> dict[str, Any]:
    if parameter.variable is None:
        return {"schema": {"type": "string"}}
    value = _described(schemas.field(_field_at(request, parameter.variable)))
    note = None
    if parameter.multi_segment:
        note = "May hold slashes."
    elif parameter.spelling != f"{{{parameter.name}}}":
        value["schema"] = {"type": "string"}
        note = f"Part of `{parameter.variable}`, which is `{parameter.spelling}`."
    if note is not None:
        own = value.get("description")
        value["description"] = f"{own}\n\n{note}" if own else note
    return value


def query_parameters(operation: Operation, schemas: MessageSchemas) -> Iterator[dict[str, Any]]:
    """Write the query parameters of an operation: what neither its path nor its body holds."""
    if operation.body == "*":
        return
    elsewhere = [parameter.variable or "" for parameter in operation.parameters]
    elsewhere.append(operation.body)
    decoder = QueryDecoder(operation.rpc.descriptor.input_type, exclude=elsewhere)
    for fields in decoder.parameters():
        name = ".".join(schemas.style.name_of(field) for field in fields)
        yield {"name": name, "in": "query", **_described(schemas.field(fields[-1]))}


def _name(template: PathTemplate, index: int, owner: Variable | None) -> str:
    if owner and (owner.stop - owner.start == 1 or template.segments[index] is Wildcard.ANY):
        return owner.field_path
    before = template.segments[index - 1] if index else ""
    if isinstance(before, str) and re.fullmatch(r"[A-Za-z0-9_.-]+", before):
        return f"{before}Id"
    return owner.field_path if owner else "segment"


def _unique(name: str, names: dict[int, str]) -> str:
    unique, number = name, 1
    while unique in names.values():
        number += 1
        unique = f"{name}{number}"
    return unique


def _field_at(message: Any, field_path: str) -> FieldDescriptor:
    for name in field_path.split("."):
        field: FieldDescriptor = message.fields_by_name[name]
        message = field.message_type
    return field


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    """Move what a field's schema says about the field to the parameter that holds it."""
    moved: dict[str, Any] = {
        key: schema.pop(key) for key in ("description", "deprecated") if key in schema
    }
    return moved | {"schema": schema}

"""The parameters of OpenAPI operations: parts of the path, and fields in the query string."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..transcoding.query import QueryDecoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from google.protobuf.descriptor import Descriptor, FieldDescriptor

    from .operation import Operation
    from .path_parameters import PathParameter
    from .schema import MessageSchemas


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


def _field_at(message: Descriptor, field_path: str) -> FieldDescriptor:
    *outer, last = field_path.split(".")
    for name in outer:
        inner = message.fields_by_name[name].message_type
        if inner is None:
            raise ValueError(f"{message.full_name}.{name} is no message")
        message = inner
    return message.fields_by_name[last]


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    """Move what a field's schema says about the field to the parameter that holds it."""
    moved: dict[str, Any] = {
        key: schema.pop(key) for key in ("description", "deprecated") if key in schema
    }
    return moved | {"schema": schema}

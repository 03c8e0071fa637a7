"""Examples of messages in their proto3 JSON form, which a service parses as they stand.

Documentation pages make up examples of their own from schemas: with every member of a oneof set,
and with types in `Any` that nobody knows. Those would be refused.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from ..protojson.descriptors import NULL_VALUE, WRAPPERS, map_entry, real_oneofs
from ..protojson.style import JsonStyle

MAX_DEPTH = 4
"""How deep examples nest messages."""

_OMITTED = object()

_SCALARS: dict[int, Any] = {
    FieldDescriptor.CPPTYPE_INT32: 0,
    FieldDescriptor.CPPTYPE_UINT32: 0,
    FieldDescriptor.CPPTYPE_INT64: "0",
    FieldDescriptor.CPPTYPE_UINT64: "0",
    FieldDescriptor.CPPTYPE_DOUBLE: 0,
    FieldDescriptor.CPPTYPE_FLOAT: 0,
    FieldDescriptor.CPPTYPE_BOOL: True,
}
_WELL_KNOWN_TYPES: dict[str, Any] = {
    "google.protobuf.Any": _OMITTED,
    "google.protobuf.Duration": "1.5s",
    "google.protobuf.Empty": {},
    "google.protobuf.FieldMask": "",
    "google.protobuf.ListValue": [],
    "google.protobuf.Struct": {},
    "google.protobuf.Timestamp": "2000-01-01T00:00:00Z",
    "google.protobuf.Value": "string",
}


def example_of(message: Descriptor, field_name: str, style: JsonStyle) -> Any:
    """Return an example of a message, or of the field of it that is named.

    A message has all of its fields, of each oneof the first.
    """
    if field_name:
        example = _field(message.fields_by_name[field_name], style, 0)
    else:
        example = _message(message, style, 0)
    return {} if example is _OMITTED else example


def _message(message: Descriptor, style: JsonStyle, depth: int) -> Any:
    if message.full_name in WRAPPERS:
        return _value(message.fields_by_name["value"], style, depth)
    if message.full_name in _WELL_KNOWN_TYPES:
        return _WELL_KNOWN_TYPES[message.full_name]
    if depth == MAX_DEPTH:
        return _OMITTED
    others = {field.name for oneof in real_oneofs(message) for field in oneof.fields[1:]}
    values = {
        style.name_of(field): _field(field, style, depth)
        for field in message.fields
        if field.name not in others
    }
    return {name: value for name, value in values.items() if value is not _OMITTED}


def _field(field: FieldDescriptor, style: JsonStyle, depth: int) -> Any:
    entry = map_entry(field)
    if entry is not None:
        value = _value(entry.value, style, depth)
        key = _value(entry.key, style, depth)
        name = "true" if key is True else str(key)
        return _OMITTED if value is _OMITTED else {name: value}
    value = _value(field, style, depth)
    return [value] if field.is_repeated and value is not _OMITTED else value


def _value(field: FieldDescriptor, style: JsonStyle, depth: int) -> Any:
    if field.message_type is not None:
        return _message(field.message_type, style, depth + 1)
    if field.enum_type is not None:
        if field.enum_type.full_name == NULL_VALUE:
            return None
        return field.enum_type.values[0].name
    if field.type == FieldDescriptor.TYPE_BYTES:
        return ""
    return _SCALARS.get(field.cpp_type, "string")

"""JSON Schemas (draft 2020-12, as OpenAPI 3.1 has them) of messages in their proto3 JSON form.

They describe the canonical form that https://protobuf.dev/programming-guides/json/ defines.
What a parser takes beyond it, such as a number for an int64, is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto

from ..protojson.descriptors import NULL_VALUE, WRAPPERS, map_entry
from ..protojson.style import JsonStyle

Schema = dict[str, Any]

REFERENCE = "#/components/schemas/"

_BYTES: Schema = {"type": "string", "contentEncoding": "base64"}


def _floating(number_format: str) -> Schema:
    return {
        "anyOf": [
            {"type": "number", "format": number_format},
            {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]},
        ]
    }


_SCALARS: dict[int, Schema] = {
    FieldDescriptor.CPPTYPE_DOUBLE: _floating("double"),
    FieldDescriptor.CPPTYPE_FLOAT: _floating("float"),
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.CPPTYPE_UINT32: {"type": "integer", "format": "uint32", "minimum": 0},
    FieldDescriptor.CPPTYPE_INT64: {"type": "string", "format": "int64"},
    FieldDescriptor.CPPTYPE_UINT64: {"type": "string", "format": "uint64"},
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_STRING: {"type": "string"},
}

_WELL_KNOWN_TYPES: dict[str, Schema] = {
    "google.protobuf.Any": {
        "type": "object",
        "description": "A message of the type that `@type` names, with that message's fields.",
        "properties": {
            "@type": {"type": "string", "examples": ["type.googleapis.com/package.Message"]}
        },
        "additionalProperties": True,
    },
    "google.protobuf.Empty": {"type": "object"},
    "google.protobuf.ListValue": {"type": "array", "items": {}},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Duration": {
        "type": "string",
        "description": "Seconds with up to nine decimals, and an `s`.",
        "examples": ["1.5s"],
    },
    "google.protobuf.FieldMask": {
        "type": "string",
        "description": "Paths of fields in lowerCamelCase, with commas between them.",
        "examples": ["title,author.name"],
    },
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Value": {"description": "Any JSON value."},
}


class MessageSchemas:
    """The schemas of messages and enums, which refer to one another as components.

    Args:
        style: How the messages are written.
        comments: The comments of the `.proto` files by full name (see `comments.comments_of`).
        requests: The messages that callers send. What only responses hold and is always printed is
            declared as required, so that generated clients need not expect its absence.
        suffix: What follows the full name of a message or enum in the name of its component.

    Attributes:
        style: How the messages are written.
        components: The schemas that have been referred to so far, by component name.
    """

    def __init__(
        self,
        style: JsonStyle,
        comments: Mapping[str, str],
        requests: Iterable[Descriptor] = (),
        suffix: str = "",
    ) -> None:
        self.components: dict[str, Schema] = {}
        self.style = style
        self._comments = comments
        self._suffix = suffix
        self._sent_by_callers: set[str] = set()
        for request in requests:
            self._add_reachable(request)

    def message(self, message: Descriptor) -> Schema:
        """Return the schema of a message: a reference, or that of its well-known type."""
        if message.full_name in WRAPPERS:
            return self._value(message.fields_by_name["value"])
        known = _WELL_KNOWN_TYPES.get(message.full_name)
        return dict(known) if known is not None else self._reference(message, self._object)

    def field(self, field: FieldDescriptor) -> Schema:
        """Return the schema of a field, with its comment as the description."""
        entry = map_entry(field)
        if entry is not None:
            schema: Schema = {
                "type": "object",
                "additionalProperties": self._value(entry.value),
            }
        elif field.is_repeated:
            schema = {"type": "array", "items": self._value(field)}
        else:
            schema = self._value(field)
        self._annotate(schema, field)
        return schema

    def _value(self, field: FieldDescriptor) -> Schema:
        if field.message_type is not None:
            return self.message(field.message_type)
        if field.enum_type is None:
            is_bytes = field.type == FieldDescriptor.TYPE_BYTES
            return dict(_BYTES if is_bytes else _SCALARS[field.cpp_type])
        if field.enum_type.full_name == NULL_VALUE:
            return {"type": "null"}
        return self._reference(field.enum_type, self._enum)

    def _reference(self, target: Any, build: Callable[[Any], Schema]) -> Schema:
        name = target.full_name + self._suffix
        if name not in self.components:
            # Stands there before its contents do, because messages may be recursive.
            schema = self.components[name] = {}
            schema.update(build(target))
            self._annotate(schema, target)
        return {"$ref": REFERENCE + name}

    def _object(self, message: Descriptor) -> Schema:
        properties = {self.style.name_of(field): self.field(field) for field in message.fields}
        for oneof in _declared_oneofs(message):
            self._describe_oneof(oneof, properties)
        schema: Schema = {"type": "object", "properties": properties}
        always_printed = (
            self.style.always_print_fields_with_no_presence
            and message.full_name not in self._sent_by_callers
        )
        required = [
            self.style.name_of(field)
            for field in message.fields
            if field.is_required or (always_printed and not field.has_presence)
        ]
        if required:
            schema["required"] = required
        return schema

    def _describe_oneof(self, oneof: OneofDescriptor, properties: dict[str, Schema]) -> None:
        names = [self.style.name_of(field) for field in oneof.fields]
        rule = f"At most one of {', '.join(f'`{name}`' for name in names)} is set (`{oneof.name}`)."
        comment = self._comments.get(f"{oneof.containing_type.full_name}.{oneof.name}")
        for name in names:
            own = properties[name].get("description")
            properties[name]["description"] = "\n\n".join(filter(None, (own, comment, rule)))

    def _enum(self, enum: EnumDescriptor) -> Schema:
        schema: Schema = {"type": "string", "enum": [value.name for value in enum.values]}
        lines = []
        for value in enum.values:
            comment = self._comments.get(f"{enum.full_name}.{value.name}", "")
            if value.GetOptions().deprecated:
                comment = f"Deprecated. {comment}".rstrip()
            if comment:
                lines.append(f"- `{value.name}`: {' '.join(comment.split())}")
        if lines:
            schema["description"] = "\n".join(lines)
        return schema

    def _annotate(self, schema: Schema, element: Any) -> None:
        comment = self._comments.get(element.full_name)
        if comment:
            own = schema.get("description")
            schema["description"] = f"{comment}\n\n{own}" if own else comment
        if element.GetOptions().deprecated:
            schema["deprecated"] = True

    def _add_reachable(self, message: Descriptor) -> None:
        if message.full_name not in self._sent_by_callers:
            self._sent_by_callers.add(message.full_name)
            for field in message.fields:
                if field.message_type is not None:
                    self._add_reachable(field.message_type)


def _declared_oneofs(message: Descriptor) -> list[OneofDescriptor]:
    """Return the oneofs that the `.proto` file has, without those that `optional` stands for."""
    proto = DescriptorProto()
    message.CopyToProto(proto)
    optional = {field.oneof_index for field in proto.field if field.proto3_optional}
    return [oneof for oneof in message.oneofs if oneof.index not in optional]

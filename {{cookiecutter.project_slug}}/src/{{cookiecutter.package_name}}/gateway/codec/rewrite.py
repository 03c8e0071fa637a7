"""Rewrites JSON that protobuf-py refused but must not: unknown fields, and the largest float.

protobuf-py's own `ignore_unknown_fields` also drops unknown numbers of enums, which `json_format`
keeps, and both compare a number with the largest float before they round it, so that they refuse
the 3.4028235e+38 that most runtimes print for it.
"""

from __future__ import annotations

import math
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from protobuf import message_from_json_value

from .descriptors import ANY, SPECIAL, fields_by_key, map_entry
from .float32 import LARGEST_FLOAT
from .schema import Schema

_ROUNDED_UP = 3.4028235677973366e38
"""The least number that rounds to infinity, half a step above the largest float."""


class Rewriting:
    """Rewrites the JSON of messages.

    Args:
        schema: Finds the types that `Any`s carry.
        ignore_unknown_fields: Whether to leave out unknown fields and unknown names of enum values.
    """

    def __init__(self, schema: Schema, *, ignore_unknown_fields: bool) -> None:
        self._schema = schema
        self._ignore_unknown_fields = ignore_unknown_fields

    def message(self, descriptor: Descriptor, value: Any) -> Any:
        """Answers the JSON of a message, rewritten; what is wrong otherwise stays as it is."""
        if descriptor.full_name == "google.protobuf.FloatValue":
            return _fit(value)
        if not isinstance(value, dict):
            return value
        if descriptor.full_name == ANY:
            return self._any(value)
        if descriptor.full_name in SPECIAL:
            return value
        fields = fields_by_key(descriptor)
        return {
            key: self._field(fields[key], inner) if key in fields else inner
            for key, inner in value.items()
            if not self._is_ignored_field(fields.get(key), key, value)
            or (key.startswith("[") and descriptor.is_extendable)
        }

    def _any(self, value: dict[str, Any]) -> dict[str, Any]:
        descriptor = self._schema.find(value.get("@type"))
        if descriptor is None:
            return value
        if descriptor.full_name in SPECIAL:
            if "value" not in value:
                return value
            return {**value, "value": self.message(descriptor, value["value"])}
        rest = {key: inner for key, inner in value.items() if key != "@type"}
        return {"@type": value["@type"], **self.message(descriptor, rest)}

    def _field(self, field: FieldDescriptor, value: Any) -> Any:
        if (entry := map_entry(field)) and isinstance(value, dict):
            return {
                key: self._element(entry.value, inner)
                for key, inner in value.items()
                if not (self._is_ignored_name(entry.value, inner) and self._is_key(field, key))
            }
        if field.is_repeated and isinstance(value, list):
            return [
                self._element(field, inner)
                for inner in value
                if not self._is_ignored_name(field, inner)
            ]
        return self._element(field, value)

    def _element(self, field: FieldDescriptor, value: Any) -> Any:
        if field.message_type is not None:
            return self.message(field.message_type, value)
        return _fit(value) if field.type == FieldDescriptor.TYPE_FLOAT else value

    def _is_ignored_field(
        self, field: FieldDescriptor | None, key: str, message: dict[str, Any]
    ) -> bool:
        if field is None:
            return self._ignore_unknown_fields
        if field.is_repeated or not self._is_ignored_name(field, message[key]):
            return False
        # Beside another member of its oneof, even an unknown name is one member too many.
        oneof = field.containing_oneof
        return oneof is None or not any(
            other != key and message.get(other) is not None
            for member in oneof.fields
            for other in (member.json_name, member.name)
        )

    def _is_key(self, field: FieldDescriptor, key: str) -> bool:
        """Answers whether a map of enums takes a key: an ignored value does not excuse its key."""
        entry, parent = map_entry(field), field.containing_type
        if entry is None or entry.value.enum_type is None or parent is None:
            return False
        tree: Any = {field.name: {key: entry.value.enum_type.values[0].number}}
        try:
            message_type = self._schema.message_type(parent)
            message_from_json_value(message_type, tree).to_binary()
        except (ValueError, TypeError, OverflowError):
            return False
        return True

    def _is_ignored_name(self, field: FieldDescriptor, value: Any) -> bool:
        enum = field.enum_type
        return (
            self._ignore_unknown_fields
            and enum is not None
            and isinstance(value, str)
            and value not in enum.values_by_name
        )


def _fit(value: Any) -> Any:
    """Answers the largest float for a number that rounds to it."""
    if isinstance(value, float) and LARGEST_FLOAT < abs(value) < _ROUNDED_UP:
        return math.copysign(LARGEST_FLOAT, value)
    return value

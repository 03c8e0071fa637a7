"""Finds what is wrong with a JSON text that is not the message it should be, and where.

Runs only after a text was refused.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from protobuf import message_from_json_value

from .descriptors import (
    ANY,
    SPECIAL,
    WRAPPERS,
    Map,
    fields_by_key,
    is_null_value,
    map_entry,
    real_oneofs,
)
from .schema import Schema

_EXPECTED = {
    FieldDescriptor.TYPE_BOOL: "true or false",
    FieldDescriptor.TYPE_STRING: "a string",
    FieldDescriptor.TYPE_BYTES: "a base64 string",
    FieldDescriptor.TYPE_DOUBLE: "a number in the range of double",
    FieldDescriptor.TYPE_FLOAT: "a number in the range of float",
    FieldDescriptor.TYPE_INT32: "an integer in the range of int32",
    FieldDescriptor.TYPE_SINT32: "an integer in the range of int32",
    FieldDescriptor.TYPE_SFIXED32: "an integer in the range of int32",
    FieldDescriptor.TYPE_UINT32: "an integer in the range of uint32",
    FieldDescriptor.TYPE_FIXED32: "an integer in the range of uint32",
    FieldDescriptor.TYPE_INT64: "an integer in the range of int64",
    FieldDescriptor.TYPE_SINT64: "an integer in the range of int64",
    FieldDescriptor.TYPE_SFIXED64: "an integer in the range of int64",
    FieldDescriptor.TYPE_UINT64: "an integer in the range of uint64",
    FieldDescriptor.TYPE_FIXED64: "an integer in the range of uint64",
}
_EXPECTED_SPECIAL = {
    "google.protobuf.Duration": 'a duration such as "1.5s"',
    "google.protobuf.FieldMask": 'field paths such as "title,author.name"',
    "google.protobuf.ListValue": "an array",
    "google.protobuf.Struct": "an object",
    "google.protobuf.Timestamp": 'an RFC 3339 time such as "1972-01-01T10:00:20.021Z"',
    "google.protobuf.Value": "any JSON value",
}
_LONGEST_KEY = 100


class FaultError(Exception):
    """What is wrong and where; its text is one line."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)


class Faults:
    """Finds faults in parsed JSON by the descriptors, field by field.

    Args:
        schema: Makes and finds message types.
        ignore_unknown_fields: Whether further keys beside the `value` of an `Any` are no fault.
    """

    def __init__(self, schema: Schema, *, ignore_unknown_fields: bool) -> None:
        self._schema = schema
        self._ignore_unknown_fields = ignore_unknown_fields

    def find(self, descriptor: Descriptor, value: Any, path: str = "") -> None:
        """Looks for the first fault in the JSON of a message; `path` leads to it.

        Raises:
            FaultError: There is one.
        """
        if descriptor.full_name == ANY:
            self._find_in_any(value, path)
        elif descriptor.full_name in SPECIAL:
            self._try(descriptor, value, path, _expected_message(descriptor))
        elif not isinstance(value, dict):
            raise FaultError(path, f"expected {_expected_message(descriptor)}")
        else:
            fields = fields_by_key(descriptor)
            for key, inner in value.items():
                place = _join(path, key)
                if key.startswith("[") and descriptor.is_extendable:
                    continue
                if key not in fields:
                    raise FaultError(place, f"{descriptor.full_name} has no such field")
                self._find_in_field(descriptor, fields[key], inner, place)
            _find_repeated_oneof(descriptor, value, path)

    def _find_in_field(
        self, parent: Descriptor, field: FieldDescriptor, value: Any, path: str
    ) -> None:
        if value is None and not (is_null_value(field) and not field.is_repeated):
            return
        if entry := map_entry(field):
            self._find_in_map(parent, field, entry, value, path)
        elif field.is_repeated:
            if not isinstance(value, list):
                raise FaultError(path, "expected an array")
            for index, element in enumerate(value):
                place = f"{path}[{index}]"
                self._find_in_element(field, element, place)
                if field.message_type is None:
                    self._try(parent, {field.name: [element]}, place, _expected(field))
        elif field.message_type is None:
            self._try(parent, {field.name: value}, path, _expected(field))
        else:
            self.find(field.message_type, value, path)

    def _find_in_map(
        self, parent: Descriptor, field: FieldDescriptor, entry: Map, value: Any, path: str
    ) -> None:
        if not isinstance(value, dict):
            raise FaultError(path, "expected an object")
        expected = f"a key that is {_expected(entry.key)}"
        if entry.value.message_type is None:
            expected += f", and {_expected(entry.value)}"
        for key, element in value.items():
            place = f'{path}["{_shown(key)}"]'
            self._find_in_element(entry.value, element, place)
            self._try(parent, {field.name: {key: element}}, place, expected)

    def _find_in_element(self, field: FieldDescriptor, value: Any, path: str) -> None:
        if value is None and not is_null_value(field):
            raise FaultError(path, "null cannot be an element")
        if field.message_type is not None:
            self.find(field.message_type, value, path)

    def _find_in_any(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise FaultError(path, 'expected an object with "@type"')
        if not value:
            return
        if "@type" not in value:
            raise FaultError(path, '"@type" is missing')
        descriptor = self._schema.find(value["@type"])
        if descriptor is None:
            raise FaultError(path, '"@type" names no message type that this service knows')
        rest = {key: inner for key, inner in value.items() if key != "@type"}
        if descriptor.full_name not in SPECIAL:
            self.find(descriptor, rest, path)
            return
        if "value" not in rest:
            raise FaultError(path, f'"value", which holds the {descriptor.name}, is missing')
        if len(rest) > 1 and not self._ignore_unknown_fields:
            raise FaultError(path, 'only "@type" and "value" can stand here')
        self.find(descriptor, rest["value"], f"{path}.value" if path else "value")

    def _try(self, descriptor: Descriptor, value: Any, path: str, expected: str) -> None:
        message_type = self._schema.message_type(descriptor)
        try:
            registry = self._schema.registry
            message_from_json_value(message_type, value, registry=registry).to_binary()
        except Exception:
            raise FaultError(path, f"expected {expected}") from None


def _find_repeated_oneof(descriptor: Descriptor, value: dict[str, Any], path: str) -> None:
    for oneof in real_oneofs(descriptor):
        found = [
            key
            for field in oneof.fields
            for key in dict.fromkeys((field.json_name, field.name))
            if key in value and (value[key] is not None or is_null_value(field))
        ]
        if len(found) > 1:
            raise FaultError(path, f"{' and '.join(found)} exclude each other (oneof {oneof.name})")


def _expected(field: FieldDescriptor) -> str:
    if field.enum_type is not None:
        return f"a name or number of {field.enum_type.full_name}"
    return _EXPECTED[field.type]


def _expected_message(descriptor: Descriptor) -> str:
    if descriptor.full_name in WRAPPERS:
        return f"{_expected(descriptor.fields_by_name['value'])}, or null"
    return _EXPECTED_SPECIAL.get(descriptor.full_name, "an object")


def _shown(key: str) -> str:
    """Answers a key fit for one line."""
    short = key if len(key) <= _LONGEST_KEY else f"{key[:_LONGEST_KEY]}..."
    return short if short.isprintable() else json.dumps(short)[1:-1]


def find_overflow(tree: Any) -> str | None:
    """Answers the path of a number that no double can hold, or None."""
    pending = [("", tree)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, dict):
            pending += [(_join(path, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            pending += [(f"{path}[{index}]", inner) for index, inner in enumerate(value)]
        elif isinstance(value, (int, float)) and abs(value) > sys.float_info.max:
            return path
    return None


def _join(path: str, key: str) -> str:
    return f"{path}.{_shown(key)}" if path else _shown(key)

"""Functions that turn a message into JSON text, compiled for one message type each.

The function of a type reads the attributes of a message into a dictionary, which orjson prints.
That of

    message Item { string sku = 1; int64 price_cents = 2; optional Part part = 3; }

is

    def function_0(message):
     tree = {}
     value = message.sku
     tree['sku'] = value
     value = message.price_cents
     tree['priceCents'] = str(value)
     if message.HasField('part'):
      value = message.part
      tree['part'] = function_1(value)
     return tree

What has no JSON form raises an exception.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from orjson import dumps

from . import write_values
from .compiled import CompiledFunctions
from .coverage import DURATION, TIMESTAMP
from .descriptors import WRAPPERS, map_entry

_FORMS = {
    FieldDescriptor.TYPE_BYTES: "base64({})",
    FieldDescriptor.TYPE_DOUBLE: "{0} if isfinite({0}) else double({0})",
    FieldDescriptor.TYPE_FLOAT: "single({})",
    **dict.fromkeys(
        (
            FieldDescriptor.TYPE_INT64,
            FieldDescriptor.TYPE_SINT64,
            FieldDescriptor.TYPE_SFIXED64,
            FieldDescriptor.TYPE_UINT64,
            FieldDescriptor.TYPE_FIXED64,
        ),
        "str({})",
    ),
}
"""How the values of a type of fields become what orjson prints; others are printed as they are."""
_KEYS = {
    FieldDescriptor.TYPE_STRING: "key",
    FieldDescriptor.TYPE_BOOL: "'true' if key else 'false'",
}
"""How the key of a map becomes that of a JSON object; others are integers."""


class CompiledWriters(CompiledFunctions):
    """The functions from messages to JSON text.

    Args:
        preserving_proto_field_name: Print the field names of the `.proto` file, not lowerCamelCase.
        always_print_fields_with_no_presence: Print empty fields too, but for those with presence.
    """

    def __init__(
        self, *, preserving_proto_field_name: bool, always_print_fields_with_no_presence: bool
    ) -> None:
        super().__init__(vars(write_values))
        self._preserving_proto_field_name = preserving_proto_field_name
        self._always_print = always_print_fields_with_no_presence

    def of(self, descriptor: Descriptor) -> Callable[[Message], bytes]:
        """Makes the function that turns a message into JSON text.

        It raises an exception of any kind for a message that it cannot print.
        """
        tree_of: Callable[[Message], Any] | None = None

        def write(message: Message) -> bytes:
            nonlocal tree_of
            if tree_of is None:
                tree_of = self.function(descriptor)
            return dumps(tree_of(message))

        return write

    def _source(self, descriptor: Descriptor) -> Iterator[str]:
        yield "(message):"
        yield " tree = {}"
        for field in descriptor.fields:
            yield from self._field(field)
        yield " return tree"

    def _field(self, field: FieldDescriptor) -> Iterator[str]:
        key = field.name if self._preserving_proto_field_name else field.json_name
        value = f"message.{field.name}"
        if keyword.iskeyword(field.name):
            value = f"getattr(message, {field.name!r})"
        if field.has_presence:
            yield f" if message.HasField({field.name!r}):"
            yield f"  value = {value}"
            yield f"  tree[{key!r}] = {self._one(field, 'value')}"
            return
        yield f" value = {value}"
        printed = self._all(field) if field.is_repeated else self._one(field, "value")
        condition = "" if self._always_print else f"if {_is_set(field)}: "
        yield f" {condition}tree[{key!r}] = {printed}"

    def _all(self, field: FieldDescriptor) -> str:
        """Answers the expression for what a repeated field or a map, `value`, holds."""
        if entry := map_entry(field):
            key = _KEYS.get(entry.key.type, "str(key)")
            each = self._one(entry.value, "value[key]")
            return f"{{{key}: {each} for key in value}} if value else {{}}"
        each = self._one(field, "each")
        return "value[:]" if each == "each" else f"[{each} for each in value] if value else []"

    def _one(self, field: FieldDescriptor, value: str) -> str:
        """Answers the expression for one value of a field."""
        message = field.message_type
        if message is None:
            if field.enum_type is not None:
                names = field.enum_type.values_by_number.items()
                constant = self._constant({number: each.name for number, each in names})
                return f"{constant}.get({value}, {value})"
            return _FORMS.get(field.type, "{}").format(value)
        if message.full_name == TIMESTAMP:
            return f"timestamp({value})"
        if message.full_name == DURATION:
            return f"duration({value})"
        if message.full_name in WRAPPERS:
            return self._one(message.fields_by_name["value"], f"{value}.value")
        return f"{self._name(message)}({value})"


def _is_set(field: FieldDescriptor) -> str:
    is_number = field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT)
    return "is_not_zero(value)" if is_number and not field.is_repeated else "value"

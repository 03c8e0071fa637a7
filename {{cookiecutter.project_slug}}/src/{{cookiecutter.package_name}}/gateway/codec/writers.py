"""Functions that turn a message into JSON text, compiled for one message type each.

The function of a type reads the attributes of a message into a dictionary, which orjson prints.
That of

    message Item { string sku = 1; int64 price_cents = 2; optional Part part = 3; }

is

    def function_0(message):
     tree = {'sku': message.sku, 'priceCents': str(message.price_cents)}
     if message.HasField('part'):
      value = message.part
      tree['part'] = function_1(value)
     return dumps(tree)

Messages that contain others, or fields that need not be there, have functions of their own; the
rest are written where they are contained. What has no JSON form raises an exception.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from orjson import dumps

from . import write_values
from .compiled import CompiledFunctions
from .coverage import DURATION, LEAVES, TIMESTAMP
from .descriptors import WRAPPERS, map_entry

_FORMS = {
    FieldDescriptor.TYPE_BYTES: "base64({})",
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
        super().__init__({**vars(write_values), "dumps": dumps})
        self._preserving_proto_field_name = preserving_proto_field_name
        self._always_print = always_print_fields_with_no_presence

    def of(self, descriptor: Descriptor) -> Callable[[Message], bytes]:
        """Makes the function that turns a message into JSON text.

        It raises an exception of any kind for a message that it cannot print.
        """
        lines = ["(message):", *self._statements(descriptor), " return dumps(tree)"]
        return self._compiled(descriptor.full_name, lines)

    def _source(self, descriptor: Descriptor) -> Iterator[str]:
        yield "(message):"
        yield from self._statements(descriptor)
        yield " return tree"

    def _statements(self, descriptor: Descriptor) -> Iterator[str]:
        """Yields what makes the `tree` of a `message`."""
        fields = list(descriptor.fields)
        always = list(takewhile(self._is_always_there, fields))
        yield f" tree = {self._literal(always, 'message')}"
        for field in fields[len(always) :]:
            put = f"tree[{self._key(field)!r}] ="
            if field.has_presence:
                yield f" if message.HasField({field.name!r}):"
                yield f"  value = {_attribute(field, 'message')}"
                yield f"  {put} {self._one(field, 'value')}"
            elif self._always_print:
                yield f" {put} {self._all(field, _attribute(field, 'message'))}"
            else:
                yield f" value = {_attribute(field, 'message')}"
                yield f" if {_is_set(field)}: {put} {self._all(field, 'value')}"

    def _is_always_there(self, field: FieldDescriptor) -> bool:
        return self._always_print and not field.has_presence

    def _key(self, field: FieldDescriptor) -> str:
        return field.name if self._preserving_proto_field_name else field.json_name

    def _literal(self, fields: Iterable[FieldDescriptor], message: str) -> str:
        """Answers the expression for a tree of fields that are always there."""
        items = [
            f"{self._key(field)!r}: {self._all(field, _attribute(field, message))}"
            for field in fields
        ]
        return f"{{{', '.join(items)}}}"

    def _all(self, field: FieldDescriptor, value: str) -> str:
        """Answers the expression for all that a field without presence holds."""
        if not field.is_repeated:
            return self._one(field, value)
        first, again = _twice(value, "values")
        if entry := map_entry(field):
            key = _KEYS.get(entry.key.type, "str(key)")
            each = self._one(entry.value, f"{again}[key]")
            return f"{{{key}: {each} for key in {again}}} if {first} else {{}}"
        each = self._one(field, "each")
        if each == "each":
            return f"{value}[:]"
        return f"[{each} for each in {again}] if {first} else []"

    def _one(self, field: FieldDescriptor, value: str) -> str:
        """Answers the expression for one value of a field."""
        message = field.message_type
        if message is None:
            return self._scalar(field, value)
        if message.full_name == TIMESTAMP:
            return f"timestamp({value})"
        if message.full_name == DURATION:
            return f"duration({value})"
        if message.full_name in WRAPPERS:
            return self._one(message.fields_by_name["value"], f"{value}.value")
        if value.isidentifier() and all(map(self._is_simple, message.fields)):
            return self._literal(message.fields, value)
        return f"{self._name(message)}({value})"

    def _scalar(self, field: FieldDescriptor, value: str) -> str:
        if field.enum_type is not None:
            names = field.enum_type.values_by_number.items()
            constant = self._constant({number: each.name for number, each in names})
            first, again = _twice(value, "number")
            return f"{constant}.get({first}, {again})"
        if field.type == FieldDescriptor.TYPE_DOUBLE:
            first, again = _twice(value, "number")
            return f"{again} if isfinite({first}) else double({again})"
        return _FORMS.get(field.type, "{}").format(value)

    def _is_simple(self, field: FieldDescriptor) -> bool:
        message = field.message_type
        return self._is_always_there(field) and (message is None or message.full_name in LEAVES)


def _attribute(field: FieldDescriptor, message: str) -> str:
    if keyword.iskeyword(field.name):
        return f"getattr({message}, {field.name!r})"
    return f"{message}.{field.name}"


def _twice(value: str, name: str) -> tuple[str, str]:
    """Answers expressions for the first and for any later use of `value`, which is got once."""
    return (value, value) if value.isidentifier() else (f"({name} := {value})", name)


def _is_set(field: FieldDescriptor) -> str:
    is_number = field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT)
    return "is_not_zero(value)" if is_number and not field.is_repeated else "value"

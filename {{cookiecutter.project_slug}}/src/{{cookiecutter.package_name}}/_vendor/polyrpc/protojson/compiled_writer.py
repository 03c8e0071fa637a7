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
rest are written where they are contained, or all at once where there are many of them in a list
(`compiled_lists`). What an `Any` or an extension holds is looked at when it
comes. What has no JSON form raises an exception.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from operator import attrgetter
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from orjson import Fragment, dumps

from . import format_values as write_values
from .columns import column_reader, has_columns, is_column
from .compiled_lists import ListedField, list_source
from .compiler import CompiledFunctions
from .descriptors import (
    ANY,
    DURATION,
    FIELD_MASK,
    LIST_VALUE,
    LONG_INTEGERS,
    NULL_VALUE,
    SPECIAL,
    STRUCT,
    TIMESTAMP,
    VALUE,
    WRAPPERS,
    find_type,
    map_entry,
)
from .style import JsonStyle

_FORMS = {
    FieldDescriptor.TYPE_BYTES: "base64({})",
    FieldDescriptor.TYPE_FLOAT: "single({})",
    **dict.fromkeys(LONG_INTEGERS, "str({})"),
}
"""How the values of a type of fields become what orjson prints; others are printed as they are."""
_NUMBERS = (
    *LONG_INTEGERS,
    FieldDescriptor.TYPE_BOOL,
    FieldDescriptor.TYPE_FIXED32,
    FieldDescriptor.TYPE_INT32,
    FieldDescriptor.TYPE_SFIXED32,
    FieldDescriptor.TYPE_SINT32,
    FieldDescriptor.TYPE_UINT32,
)
"""The types of which orjson prints all values, but for quotes, as they are."""
_MANY = 128
"""From so many messages on, a list is read by its fields."""
_KEYS = {
    FieldDescriptor.TYPE_STRING: "key",
    FieldDescriptor.TYPE_BOOL: "'true' if key else 'false'",
}
"""How the key of a map becomes that of a JSON object; others are integers."""
_SPECIAL_FORMS = {
    ANY: "any_content({})",
    DURATION: "duration({})",
    FIELD_MASK: "field_mask({})",
    LIST_VALUE: "list_value({})",
    STRUCT: "struct({})",
    TIMESTAMP: "timestamp({})",
    VALUE: "json_value({})",
}
"""How messages with a JSON form of their own become what orjson prints."""


class CompiledWriters(CompiledFunctions):
    """The functions from messages to JSON text."""

    def __init__(self, style: JsonStyle) -> None:
        super().__init__(
            {
                **vars(write_values),
                "dumps": dumps,
                "Fragment": Fragment,
                "any_content": self._any_content,
                "add_extensions": self._add_extensions,
            }
        )
        self._style = style
        self._always_print = style.always_print_fields_with_no_presence

    def of(self, descriptor: Descriptor) -> Callable[[Message], bytes]:
        """Makes the function that turns a message into JSON text.

        It raises an exception of any kind for a message that has no JSON form.
        """
        with self._lock:
            if descriptor.full_name in SPECIAL:
                lines = ["(message):", f" return dumps({self._message(descriptor, 'message')})"]
            else:
                lines = ["(message):", *self._statements(descriptor), " return dumps(tree)"]
            return self._compiled(descriptor.full_name, lines)

    def of_field(self, field: FieldDescriptor) -> Callable[[Message], bytes]:
        """Makes the function that turns one field of a message into JSON text: `of`, of a part.

        A field that has presence, and is not set, is null.
        """
        with self._lock:
            lines = [
                "(message):",
                *(
                    [f" if not message.HasField({field.name!r}): return b'null'"]
                    if field.has_presence
                    else []
                ),
                f" value = {_attribute(field, 'message')}",
                f" return dumps({self._all(field, 'value')})",
            ]
            return self._compiled(field.full_name, lines)

    def _source(self, descriptor: Descriptor) -> Iterator[str]:
        yield "(message):"
        if descriptor.full_name in SPECIAL:
            yield f" return {self._message(descriptor, 'message')}"
        else:
            yield from self._statements(descriptor)
            yield " return tree"

    def _statements(self, descriptor: Descriptor) -> Iterator[str]:
        """Yields what makes the `tree` of a `message`."""
        fields = list(descriptor.fields)
        always = list(takewhile(self._is_always_there, fields))
        yield f" tree = {self._literal(always, 'message')}"
        for field in fields[len(always) :]:
            put = f"tree[{self._style.name_of(field)!r}] ="
            if field.has_presence:
                yield f" if message.HasField({field.name!r}):"
                yield f"  value = {_attribute(field, 'message')}"
                yield f"  {put} {self._one(field, 'value')}"
            elif self._always_print:
                yield f" {put} {self._all(field, _attribute(field, 'message'))}"
            else:
                yield f" value = {_attribute(field, 'message')}"
                yield f" if {_is_set(field)}: {put} {self._all(field, 'value')}"
        if descriptor.is_extendable:
            yield " add_extensions(tree, message)"

    def _is_always_there(self, field: FieldDescriptor) -> bool:
        return self._always_print and not field.has_presence

    def _literal(self, fields: Iterable[FieldDescriptor], message: str) -> str:
        """Answers the expression for a tree of fields that are always there."""
        items = [
            f"{self._style.name_of(field)!r}: {self._all(field, _attribute(field, message))}"
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
        listed = f"[{each} for each in {again}]"
        message = field.message_type
        if message is not None and self._is_literal(message) and has_columns(field):
            write = self._list_name(field, message)
            return f"{write}(message, {again}) if len({first}) >= {_MANY} else {listed}"
        return f"{listed} if {first} else []"

    def _list_name(self, field: FieldDescriptor, message: Descriptor) -> str:
        """Answers the name of the function for a long list of messages."""
        name = self._function_names.get(field.full_name)
        if name is None:
            fields = message.fields
            read = self._constant(column_reader(field.number, message))
            sample = self._constant(attrgetter(*(each.name for each in fields if is_column(each))))
            literal = self._literal(fields, "each")
            lines = list_source(read, sample, literal, [*map(self._listed, fields)])
            name = self._compiled(field.full_name, lines).__name__
            self._function_names[field.full_name] = name
        return name

    def _listed(self, field: FieldDescriptor) -> ListedField:
        attribute, is_quoted = _attribute(field, "{}"), False
        if not is_column(field):
            printed = f"[dumps({self._all(field, 'each')}) for each in {{}}]"
        elif field.type == FieldDescriptor.TYPE_STRING:
            attribute, printed, is_quoted = f"{attribute}.encode()", "printed_strings({})", True
        elif field.type in _NUMBERS:
            printed, is_quoted = "printed_numbers({})", field.type in LONG_INTEGERS
        elif field.type == FieldDescriptor.TYPE_DOUBLE:
            printed = "printed_doubles({})"
        else:
            printed = f"printed([{self._one(field, 'each')} for each in {{}}])"
        name = self._style.name_of(field)
        return ListedField(name, attribute, is_column(field), printed, is_quoted)

    def _one(self, field: FieldDescriptor, value: str) -> str:
        """Answers the expression for one value of a field."""
        if field.message_type is None:
            return self._scalar(field, value)
        return self._message(field.message_type, value)

    def _message(self, message: Descriptor, value: str) -> str:
        """Answers the expression for a message."""
        if message.full_name in WRAPPERS:
            return self._one(message.fields_by_name["value"], f"{value}.value")
        if message.full_name in SPECIAL:
            return _SPECIAL_FORMS[message.full_name].format(value)
        if value.isidentifier() and self._is_literal(message):
            return self._literal(message.fields, value)
        return f"{self._name(message)}({value})"

    def _scalar(self, field: FieldDescriptor, value: str) -> str:
        if field.enum_type is not None:
            if field.enum_type.full_name == NULL_VALUE:
                return "None"
            if self._style.use_integers_for_enums:
                return value
            # Of several names of a number the first one is printed.
            values = reversed(field.enum_type.values)
            constant = self._constant({each.number: each.name for each in values})
            first, again = _twice(value, "number")
            return f"{constant}.get({first}, {again})"
        if field.type == FieldDescriptor.TYPE_DOUBLE:
            first, again = _twice(value, "number")
            return f"{again} if isfinite({first}) else double({again})"
        return _FORMS.get(field.type, "{}").format(value)

    def _is_literal(self, message: Descriptor) -> bool:
        return all(map(self._is_simple, message.fields)) and not message.is_extendable

    def _is_simple(self, field: FieldDescriptor) -> bool:
        message = field.message_type
        return self._is_always_there(field) and (message is None or message.full_name in SPECIAL)

    def _any_content(self, message: Any) -> dict[str, Any]:
        type_url = message.type_url
        if not type_url and not message.value:
            return {}
        descriptor = find_type(type_url)
        if descriptor is None:
            raise ValueError(f"an Any holds a message of an unknown type, {type_url}")
        content = GetMessageClass(descriptor).FromString(message.value)
        with self._lock:
            name = self._name(descriptor)
        tree = self._namespace[name](content)
        if descriptor.full_name in SPECIAL:
            return {"@type": type_url, "value": tree}
        return {"@type": type_url, **tree}

    def _add_extensions(self, tree: dict[str, Any], message: Any) -> None:
        for field, value in message.ListFields():
            if field.is_extension:
                with self._lock:
                    write = self._extension(field)
                tree[f"[{field.full_name}]"] = write(value)

    def _extension(self, field: FieldDescriptor) -> Callable[[Any], Any]:
        # Between brackets, for it could have the name of a message.
        key = f"[{field.full_name}]"
        name = self._function_names.get(key)
        if name is None:
            lines = ["(value):", f" return {self._all(field, 'value')}"]
            name = self._function_names[key] = self._compiled(key, lines).__name__
        function: Callable[[Any], Any] = self._namespace[name]
        return function


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

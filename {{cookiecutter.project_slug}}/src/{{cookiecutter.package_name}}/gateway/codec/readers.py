"""Functions that turn JSON text into a message, compiled for one message type each.

The constructors of protobuf's messages take trees of dictionaries and lists, and check most of what
they are given. The function of a type makes the rest right in what orjson has parsed. That of

    message Item { string sku = 1; int64 price_cents = 2; repeated Part parts = 3; }

is

    def function_1(tree, zeros):
     keys = len(tree)
     if 'price_cents' in tree: use_json_names(tree, constant_2)
     value = tree.pop('priceCents', None)
     if value is not None:
      if value.__class__ is str: value = int(value) if value.isdigit() and … else integer(value)
      tree['price_cents'] = value
     value = tree.get('parts')
     if value is not None:
      if value.__class__ is not list: raise UncoveredError
      for each in value: keys += function_3(each, zeros)
     return keys

It answers how many keys it has seen, and leaves in `zeros` what may have been a minus zero: both
are then looked for in the text. For what it is not sure of it raises an exception of any kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from orjson import loads

from . import read_values
from .compiled import CompiledFunctions
from .coverage import DURATION, LEAVES, TIMESTAMP
from .descriptors import map_entry, real_oneofs
from .read_values import UncoveredError

AnyMessage = TypeVar("AnyMessage", bound=Message)

_WHITE_SPACE = b" \t\r\n"
_MINUS_ZERO = re.compile(rb"-0[,\]}\s]")

_INTEGERS = (
    FieldDescriptor.TYPE_INT64,
    FieldDescriptor.TYPE_SINT64,
    FieldDescriptor.TYPE_SFIXED64,
    FieldDescriptor.TYPE_UINT64,
    FieldDescriptor.TYPE_FIXED64,
)
_CONVERSIONS = {
    FieldDescriptor.TYPE_BOOL: "boolean({})",
    FieldDescriptor.TYPE_BYTES: "octets({})",
    FieldDescriptor.TYPE_DOUBLE: "double({}, zeros)",
    FieldDescriptor.TYPE_FLOAT: "single({}, zeros)",
    **dict.fromkeys(_INTEGERS, "integer({})"),
}
"""How a value is converted, by the type of its field.

The other types need nothing: constructors take enums by name and by number, and refuse for a string
or a number of up to 32 bits all that is not one, `True` included.
"""
_SHORTCUTS = {
    FieldDescriptor.TYPE_BOOL: ("value is not True and value is not False", "boolean(value)"),
    FieldDescriptor.TYPE_DOUBLE: ("value.__class__ is not float", "double(value, zeros)"),
    **dict.fromkeys(
        _INTEGERS,
        (
            "value.__class__ is str",
            "int(value) if value.isdigit() and value.isascii() else integer(value)",
        ),
    ),
}
"""When the value of a field that is not repeated needs a conversion at all, and which."""
_KEYS = {
    FieldDescriptor.TYPE_STRING: "key",
    FieldDescriptor.TYPE_BOOL: "boolean_key(key)",
}
"""How the key of a map is converted; others are integers."""


class CompiledReaders(CompiledFunctions):
    """The functions from JSON text to messages."""

    def __init__(self) -> None:
        super().__init__(vars(read_values))

    def of(self, message_class: type[AnyMessage]) -> Callable[[bytes], AnyMessage]:
        """Makes the function that turns JSON text into a message.

        It raises an exception of any kind where it is not sure what a text means, wrong or not.
        """
        descriptor: Any = message_class.DESCRIPTOR
        prepare: Callable[[Any, list[object]], int] | None = None

        def read(text: bytes) -> AnyMessage:
            nonlocal prepare
            if prepare is None:
                prepare = self.function(descriptor)
            tree = loads(text)
            zeros: list[object] = []
            keys = prepare(tree, zeros)
            # orjson lets the last of repeated keys win.
            if text.count(b":") != keys:
                _refuse_repeated_keys(text, keys)
            if zeros and _MINUS_ZERO.search(text):
                raise UncoveredError
            return message_class(**tree)

        return read

    def _source(self, descriptor: Descriptor) -> Iterator[str]:
        yield "(tree, zeros):"
        yield " keys = len(tree)"
        names = {each.name: each.json_name for each in descriptor.fields}
        other_names = {name: key for name, key in names.items() if name != key}
        if other_names:
            found = " or ".join(f"{name!r} in tree" for name in other_names)
            yield f" if {found}: use_json_names(tree, {self._constant(other_names)})"
        for oneof in real_oneofs(descriptor):
            members = " + ".join(f"({each.json_name!r} in tree)" for each in oneof.fields)
            yield f" if {members} > 1: raise UncoveredError"
        for field in descriptor.fields:
            key, name = field.json_name, field.name
            lines = list(self._field(field))
            if key != name:
                lines.append(f"tree[{name!r}] = value")
            if lines:
                get = f"get({key!r})" if key == name else f"pop({key!r}, None)"
                yield f" value = tree.{get}"
                yield " if value is not None:"
                yield from (f"  {line}" for line in lines)
        yield " return keys"

    def _field(self, field: FieldDescriptor) -> Iterator[str]:
        """Yields what makes the `value` of a field right; `_source` puts it under a new key."""
        put = "" if field.name != field.json_name else f"tree[{field.name!r}] = "
        if entry := map_entry(field):
            yield "if value.__class__ is not dict: raise UncoveredError"
            yield "keys += len(value)"
            if message := _message_type(entry.value):
                yield f"for each in value.values(): keys += {self._name(message)}(each, zeros)"
            key = _KEYS.get(entry.key.type, "integer_key(key)")
            each = _converted(entry.value, "each")
            if (key, each) != ("key", "each"):
                yield f"{put}value = {{{key}: {each} for key, each in value.items()}}"
        elif field.is_repeated:
            yield "if value.__class__ is not list: raise UncoveredError"
            if message := _message_type(field):
                yield f"for each in value: keys += {self._name(message)}(each, zeros)"
            each = _converted(field, "each")
            if each != "each":
                yield f"{put}value = [{each} for each in value]"
        elif message := _message_type(field):
            yield f"keys += {self._name(message)}(value, zeros)"
        elif field.type in _SHORTCUTS:
            condition, converted = _SHORTCUTS[field.type]
            yield f"if {condition}: {put}value = {converted}"
        elif (converted := _converted(field, "value")) != "value":
            yield f"{put}value = {converted}"


def _message_type(field: FieldDescriptor) -> Descriptor | None:
    """Answers the type of a field whose JSON is an object with fields of its own."""
    message = field.message_type
    return message if message is not None and message.full_name not in LEAVES else None


def _converted(field: FieldDescriptor, value: str) -> str:
    """Answers the expression that converts one value of a field."""
    message = field.message_type
    if message is None:
        return _CONVERSIONS.get(field.type, "{}").format(value)
    if message.full_name == TIMESTAMP:
        return f"timestamp({value})"
    if message.full_name == DURATION:
        return f"duration({value})"
    if message.full_name in LEAVES:
        # In a list, null is no wrapper; a constructor takes it for an empty one.
        wrapped = _converted(message.fields_by_name["value"], f"given({value})")
        return f"{{'value': {wrapped}}}"
    return value


def _refuse_repeated_keys(text: bytes, keys: int) -> None:
    """Raises `UncoveredError` unless a text has no more keys than were seen, `keys`."""
    # Without white space every key ends in these two; what else looks so only counts too many.
    if text.translate(None, _WHITE_SPACE).count(b'":') != keys:
        raise UncoveredError

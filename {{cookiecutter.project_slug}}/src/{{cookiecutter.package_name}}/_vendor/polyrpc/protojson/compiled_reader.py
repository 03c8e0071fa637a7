"""Functions that turn JSON text into a message, compiled for one message type each.

The constructors of protobuf's messages take trees of dictionaries and lists, and check most of what
they are given. The function of a type makes the rest right in what orjson has parsed. That of

    message Item { string sku = 1; int64 price_cents = 2; repeated Part parts = 3; }

is

    def function_0(text):
     tree = loads(text)
     zeros = []
     keys = len(tree)
     if 'price_cents' in tree: use_json_names(tree, constant_1)
     value = tree.pop('priceCents', None)
     if value is not None:
      if value.__class__ is str: value = number if str(number := int(value)) == value else …
      tree['price_cents'] = value
     value = tree.get('parts')
     if value is not None:
      if value.__class__ is not list: raise UnsupportedError
      for each in value:
       keys += function_2(each, zeros)
     if text.count(b':') != keys: refuse_repeated_keys(text, keys)
     if zeros and MINUS_ZERO.search(text): raise UnsupportedError
     return message_class(**tree)

Messages that contain others have functions of their own; what is done for the rest is written where
they are contained. Of a long list of these, integers of 64 bits are read all at once if they are
plain (`with_integers`): one by one, most of their time would go into calls. `keys` counts the keys,
and `zeros` has what may have been a minus zero: both are looked for in the text. Functions of types
that can contain themselves have a third argument, `depth`: so many levels of messages there may be
in one. For what a function is not sure of it raises an exception of any kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from orjson import loads

from . import parse_values as read_values
from .compiler import CompiledFunctions
from .descriptors import (
    DEEPEST,
    DURATION,
    LEAVES,
    LONG_INTEGERS,
    TIMESTAMP,
    map_entry,
    other_names,
    real_oneofs,
)
from .json_parser import MINUS_ZERO
from .parse_values import UnsupportedError

AnyMessage = TypeVar("AnyMessage", bound=Message)

_MANY = 32
"""From so many messages of a list on, their integers of 64 bits are read all at once."""
_WHITE_SPACE = b" \t\r\n"

_CONVERSIONS = {
    FieldDescriptor.TYPE_BOOL: "boolean({})",
    FieldDescriptor.TYPE_BYTES: "octets({})",
    FieldDescriptor.TYPE_DOUBLE: "double({}, zeros)",
    FieldDescriptor.TYPE_FLOAT: "single({}, zeros)",
    **dict.fromkeys(LONG_INTEGERS, "integer({})"),
}
"""How a value is converted, by the type of its field.

The other types need nothing: constructors take enums by name and by number, and refuse for a string
or a number of up to 32 bits all that is not one, `True` included.
"""
_SHORTCUTS = {
    FieldDescriptor.TYPE_BOOL: ("{0} is not True and {0} is not False", "boolean({0})"),
    FieldDescriptor.TYPE_DOUBLE: ("{0}.__class__ is not float", "double({0}, zeros)"),
    **dict.fromkeys(
        LONG_INTEGERS,
        (
            "{0}.__class__ is str",
            "number if str(number := int({0})) == {0} else integer({0})",
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
        super().__init__(
            {
                **vars(read_values),
                "loads": loads,
                "refuse_repeated_keys": _refuse_repeated_keys,
                "MINUS_ZERO": MINUS_ZERO,
            }
        )
        self._heights: dict[str, int | None] = {}

    def of(self, message_class: type[AnyMessage]) -> Callable[[bytes], AnyMessage]:
        """Makes the function that turns JSON text into a message.

        It raises an exception of any kind where it is not sure what a text means, wrong or not.
        """
        descriptor: Any = message_class.DESCRIPTOR
        with self._lock:
            lines = [
                "(text):",
                " tree = loads(text)",
                " zeros = []",
                *([] if self._has_end(descriptor) else [f" depth = {DEEPEST}"]),
                " keys = len(tree)",
                *_indented(self._fields(descriptor, "tree", "value")),
                # orjson lets the last of repeated keys win.
                " if text.count(b':') != keys: refuse_repeated_keys(text, keys)",
                " if zeros and MINUS_ZERO.search(text): raise UnsupportedError",
                f" return {self._constant(message_class)}(**tree)",
            ]
            return self._compiled(descriptor.full_name, lines)

    def _source(self, descriptor: Descriptor) -> Iterator[str]:
        if self._has_end(descriptor):
            yield "(tree, zeros):"
        else:
            yield "(tree, zeros, depth):"
            # That of all fields but those whose own functions look at what is left for them.
            heights = (self._field_height(each) for each in descriptor.fields)
            height = max((each for each in heights if each is not None), default=0)
            yield f" if depth < {height}: raise UnsupportedError"
        yield " keys = len(tree)"
        yield from _indented(self._fields(descriptor, "tree", "value"))
        yield " return keys"

    def _has_end(self, descriptor: Descriptor) -> bool:
        return self._height(descriptor) is not None

    def _height(self, descriptor: Descriptor) -> int | None:
        """Answers how many levels of messages a message can have in it; None: without end."""
        name = descriptor.full_name
        if name not in self._heights:
            # Until it is known: what comes back to a type has no end.
            self._heights[name] = None
            heights = [self._field_height(field) for field in descriptor.fields]
            known = [height for height in heights if height is not None]
            if len(known) == len(heights):
                self._heights[name] = max(known, default=0)
        return self._heights[name]

    def _field_height(self, field: FieldDescriptor) -> int | None:
        entry = map_entry(field)
        message = _message_type(entry.value if entry else field)
        if message is None:
            return int(field.message_type is not None) + int(_is_leaf_entry(field))
        height = self._height(message)
        return None if height is None else height + (2 if entry else 1)

    def _fields(
        self,
        descriptor: Descriptor,
        tree: str,
        value: str,
        numbers: Mapping[FieldDescriptor, str] | None = None,
    ) -> Iterator[str]:
        """Yields what makes the fields of `tree` right, each as `value`: both are variables.

        So are `numbers`: what the values of these fields are, where that is known already.
        """
        if names := other_names(descriptor):
            found = " or ".join(f"{name!r} in {tree}" for name in names)
            yield f"if {found}: use_json_names({tree}, {self._constant(names)})"
        for oneof in real_oneofs(descriptor):
            members = " + ".join(f"({each.json_name!r} in {tree})" for each in oneof.fields)
            yield f"if {members} > 1: raise UnsupportedError"
        for field in descriptor.fields:
            key, name = field.json_name, field.name
            put = f"{tree}[{name!r}] = "
            if numbers and field in numbers:
                number = numbers[field]
                lines = [f"{put}{number} if {number} is not None else integer({value})"]
            else:
                lines = list(self._field(field, value, put if key == name else f"{value} = "))
                if key != name:
                    lines.append(f"{put}{value}")
            if lines:
                get = f"get({key!r})" if key == name else f"pop({key!r}, None)"
                yield f"{value} = {tree}.{get}"
                yield f"if {value} is not None:"
                yield from _indented(lines)

    def _field(self, field: FieldDescriptor, value: str, put: str) -> Iterator[str]:
        """Yields what makes the `value` of a field right; `put` begins the line that says so."""
        if entry := map_entry(field):
            yield f"if {value}.__class__ is not dict: raise UnsupportedError"
            yield f"keys += len({value})"
            if message := _message_type(entry.value):
                yield from self._each(message, f"{value}.values()", 2)
            key = _KEYS.get(entry.key.type, "integer_key(key)")
            each = _converted(entry.value, "each")
            if (key, each) != ("key", "each"):
                yield f"{put}{{{key}: {each} for key, each in {value}.items()}}"
        elif field.is_repeated:
            yield f"if {value}.__class__ is not list: raise UnsupportedError"
            if message := _message_type(field):
                yield from self._each(message, value, 1)
            each = _converted(field, "each")
            if each != "each":
                yield f"{put}[{each} for each in {value}]"
        elif message := _message_type(field):
            yield from self._message(message, value, 1)
        elif field.type in _SHORTCUTS:
            condition, converted = _SHORTCUTS[field.type]
            yield f"if {condition.format(value)}: {put}{converted.format(value)}"
        elif (converted := _converted(field, value)) != value:
            yield f"{put}{converted}"

    def _each(self, message: Descriptor, values: str, levels: int) -> Iterator[str]:
        one_by_one = [f"for each in {values}:", *_indented(self._message(message, "each", levels))]
        integers = [field for field in message.fields if _is_long_integer(field)]
        if not integers or not self._is_written_out(message):
            yield from one_by_one
            return
        keys = self._constant([field.json_name for field in integers])
        # The call alone would take what it saves a few.
        yield f"if len({values}) < {_MANY} or (rows := with_integers({values}, {keys})) is None:"
        yield from _indented(one_by_one)
        yield "else:"
        yield f" keys += sum(map(len, {values}))"
        numbers = {field: f"number_{field.number}" for field in integers}
        yield f" for each, {', '.join(numbers.values())} in rows:"
        yield from _indented(_indented(self._fields(message, "each", "part", numbers)))

    def _message(self, message: Descriptor, tree: str, levels: int) -> Iterator[str]:
        """Yields what makes `tree` right, a contained message that is so many levels further in."""
        if not self._has_end(message):
            yield f"keys += {self._name(message)}({tree}, zeros, depth - {levels})"
        elif self._is_written_out(message):
            yield f"keys += len({tree})"
            yield from self._fields(message, tree, "part")
        else:
            yield f"keys += {self._name(message)}({tree}, zeros)"

    def _is_written_out(self, message: Descriptor) -> bool:
        # A call would cost as much as two fields.
        return self._has_end(message) and not any(map(_message_type, message.fields))


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f" {line}" for line in lines)


def _message_type(field: FieldDescriptor) -> Descriptor | None:
    """Answers the type of a field whose JSON is an object with fields of its own."""
    message = field.message_type
    return message if message is not None and message.full_name not in LEAVES else None


def _is_long_integer(field: FieldDescriptor) -> bool:
    return field.type in LONG_INTEGERS and not field.is_repeated


def _is_leaf_entry(field: FieldDescriptor) -> bool:
    entry = map_entry(field)
    return entry is not None and entry.value.message_type is not None


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
    """Raises `UnsupportedError` unless a text has no more keys than were seen, `keys`."""
    # Without white space every key ends in these two; what else looks so only counts too many.
    if text.translate(None, _WHITE_SPACE).count(b'":') != keys:
        raise UnsupportedError

"""Reads JSON text into messages of every type, and says what is wrong with it and where.

The parsed text is walked once by the descriptors of the messages in it: each step sets what it
comes to in the message, and a fault gets the path to it on the way back. What the walk needs to
know of a type is put together when the first of its messages comes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from operator import attrgetter
from threading import RLock
from typing import Any, NamedTuple, TypeVar

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from . import parse_values as read_values
from .descriptors import (
    ANY,
    DEEPEST,
    DURATION,
    FIELD_MASK,
    LIST_VALUE,
    SPECIAL,
    STRUCT,
    TIMESTAMP,
    VALUE,
    WRAPPERS,
    find_type,
    is_null_value,
    map_entry,
    may_lack_fields,
    other_names,
    real_oneofs,
)
from .errors import JsonError, one_line
from .json_parser import RepeatedKey, parse
from .parse_values import UnsupportedError

AnyMessage = TypeVar("AnyMessage", bound=Message)

Read = Callable[[Any, Any, int], None]
"""Sets a JSON value in a message, in which there may be so many levels of further messages."""
_Field = tuple[Read, bool, str | None]
"""What reads a field; whether null is a value of it, not its absence; its other key, if any.

Not a named tuple: that takes twice as long to take apart.
"""
Convert = Callable[[Any], Any]
Get = Callable[[Any], Any]
Put = Callable[[Any, Any, Any, int], None]
"""Sets a JSON value in what holds many, by its key or index; a level as for `Read`."""

_REFUSED = (UnsupportedError, ValueError, TypeError, LookupError, ArithmeticError)
"""What `read_values` and protobuf raise for a value that is not of its type."""
_WHITE_SPACE = b" \t\r\n"
_TOO_DEEP = f"nested deeper than {DEEPEST} messages"
_NO_ELEMENT = "null cannot be an element"

_INT32, _UINT32, _INT64, _UINT64 = (
    (read_values.any_integer, f"an integer in the range of {name}")
    for name in ("int32", "uint32", "int64", "uint64")
)
_SCALARS: dict[int, tuple[Convert, str]] = {
    FieldDescriptor.TYPE_BOOL: (read_values.boolean, "true or false"),
    FieldDescriptor.TYPE_STRING: (read_values.text, "a string"),
    FieldDescriptor.TYPE_BYTES: (read_values.octets, "a base64 string"),
    FieldDescriptor.TYPE_DOUBLE: (read_values.any_double, "a number in the range of double"),
    FieldDescriptor.TYPE_FLOAT: (read_values.any_single, "a number in the range of float"),
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_SINT32: _INT32,
    FieldDescriptor.TYPE_SFIXED32: _INT32,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_FIXED32: _UINT32,
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_SINT64: _INT64,
    FieldDescriptor.TYPE_SFIXED64: _INT64,
    FieldDescriptor.TYPE_UINT64: _UINT64,
    FieldDescriptor.TYPE_FIXED64: _UINT64,
}
"""What converts the values of a type of fields, and what it expects."""
_PLAIN: dict[int, type] = {
    FieldDescriptor.TYPE_BOOL: bool,
    FieldDescriptor.TYPE_STRING: str,
    FieldDescriptor.TYPE_INT32: int,
    FieldDescriptor.TYPE_UINT32: int,
    FieldDescriptor.TYPE_INT64: int,
    FieldDescriptor.TYPE_UINT64: int,
}
"""The class of the values that need no conversion, for the most frequent types."""
_NUMBER = _SCALARS[FieldDescriptor.TYPE_DOUBLE][1]


class FaultError(Exception):
    """What is wrong, and where; its text is one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self._reason = reason
        self._steps: list[str] = []

    def inside(self, step: str) -> FaultError:
        """Puts a step, such as `.name` or `[2]`, in front of the path to what is wrong."""
        self._steps.append(step)
        return self

    def __str__(self) -> str:
        path = one_line("".join(reversed(self._steps)).removeprefix("."))
        return f"{path}: {self._reason}" if path else self._reason


class _IgnoredError(Exception):
    """A value is an unknown name of an enum, and those are ignored."""


class _Content(NamedTuple):
    """How to read a message in an `Any`.

    Attributes:
        message_class: The class of the message.
        read: Sets its JSON in one.
        is_special: It has a JSON form of its own, which stands under the key `value`.
        may_lack_fields: It can lack a required field.
    """

    message_class: Callable[[], Any]
    read: Read
    is_special: bool
    may_lack_fields: bool


class StrictReaders:
    """The functions from JSON text to messages.

    Args:
        ignore_unknown_fields: Drop unknown fields and unknown names of enums.
    """

    def __init__(self, *, ignore_unknown_fields: bool) -> None:
        self.ignore_unknown_fields = ignore_unknown_fields
        # A reader is known before it knows its fields, and servicers may be in threads.
        self._lock = RLock()
        self._contents: dict[str, _Content] = {}
        self._made: dict[str, Read] = {
            ANY: self._read_any,
            DURATION: _value(_set_duration, 'a duration such as "1.5s"'),
            FIELD_MASK: _value(_set_field_mask, 'field paths such as "title,author.name"'),
            LIST_VALUE: _read_list,
            STRUCT: _read_struct,
            TIMESTAMP: _value(
                _set_timestamp, 'an RFC 3339 time such as "1972-01-01T10:00:20.021Z"'
            ),
            VALUE: _read_value,
        }

    def of(self, message_class: type[AnyMessage]) -> Callable[[bytes], AnyMessage]:
        """Makes the function that turns JSON text into a message; it raises `JsonError`."""
        descriptor: Any = message_class.DESCRIPTOR
        with self._lock:
            read = self.reader(descriptor)
        may_lack = may_lack_fields(descriptor)

        def read_text(text: bytes) -> AnyMessage:
            message = message_class()
            try:
                if text.strip(_WHITE_SPACE):
                    read(message, parse(text), DEEPEST)
                    if may_lack:
                        _check_required(message)
            except FaultError as fault:
                raise JsonError(str(fault)) from None
            except RecursionError:
                raise JsonError(_TOO_DEEP) from None
            return message

        return read_text

    def reader(self, descriptor: Descriptor) -> Read:
        """Answers what reads the JSON of a message type."""
        read = self._made.get(descriptor.full_name)
        if read is None:
            if descriptor.full_name in WRAPPERS:
                convert, expected = _SCALARS[descriptor.fields_by_name["value"].type]
                read = _value(_set_wrapped(convert), f"{expected}, or null")
                self._made[descriptor.full_name] = read
            else:
                made = _MessageReader(descriptor, self)
                read = self._made[descriptor.full_name] = made
                # Only now: a message that contains itself finds its own reader.
                made.add_fields()
        return read

    def field(self, field: FieldDescriptor, other_key: str | None) -> _Field:
        """Answers how to read a field."""
        takes_null = is_null_value(field) and not field.is_repeated
        with self._lock:
            return self._field_reader(field), takes_null, other_key

    def _field_reader(self, field: FieldDescriptor) -> Read:
        get = _extension_getter(field) if field.is_extension else attrgetter(field.name)
        if entry := map_entry(field):
            convert_key, expected = _key(entry.key)
            put, levels, expected_value = self._putting(entry.value)
            if expected_value:
                expected += f", and {expected_value}"
            takes_null = is_null_value(entry.value)
            expected = f"a key that is {expected}"
            return _map(get, convert_key, put, levels + 1, takes_null, expected, _entry)
        if field.is_repeated:
            add, levels, expected = self._adding(field)
            return _array(get, add, levels, is_null_value(field), expected)
        if field.message_type is not None:
            return _single_message(get, self.reader(field.message_type))
        convert, expected = self._scalar(field)
        return _single_scalar(field, convert, expected)

    def _putting(self, field: FieldDescriptor) -> tuple[Put, int, str]:
        """Answers what sets the value of a map under a key, the levels to it, what it expects."""
        if field.message_type is not None:
            read = self.reader(field.message_type)
            return lambda entries, key, value, depth: read(entries[key], value, depth), 1, ""
        convert, expected = self._scalar(field)

        def put(entries: Any, key: Any, value: Any, _depth: int) -> None:
            entries[key] = convert(value)

        return put, 0, expected

    def _adding(self, field: FieldDescriptor) -> tuple[Put, int, str]:
        """Answers what adds an element, the levels to it, and what it expects."""
        if field.message_type is not None:
            read = self.reader(field.message_type)
            return lambda elements, _, value, depth: read(elements.add(), value, depth), 1, ""
        convert, expected = self._scalar(field)
        return lambda elements, _, value, _depth: elements.append(convert(value)), 0, expected

    def _scalar(self, field: FieldDescriptor) -> tuple[Convert, str]:
        enum = field.enum_type
        if enum is None:
            return _SCALARS[field.type]
        numbers = {value.name: value.number for value in enum.values}
        is_null, ignores = is_null_value(field), self.ignore_unknown_fields

        def convert(value: Any) -> int:
            if value.__class__ is str:
                number = numbers.get(value)
                if number is not None:
                    return number
                if ignores:
                    raise _IgnoredError
            elif value.__class__ is int or (value == 0 and value.__class__ is float):
                return int(value)
            elif value is None and is_null:
                return 0
            raise UnsupportedError

        return convert, f"a name or number of {enum.full_name}"

    def _read_any(self, message: Any, value: Any, depth: int) -> None:
        if value.__class__ is not dict:
            raise _no_object(value, 'expected an object with "@type"')
        if not value:
            return
        if "@type" not in value:
            raise FaultError('"@type" is missing')
        type_url = value["@type"]
        descriptor = find_type(type_url)
        if descriptor is None:
            raise FaultError('"@type" names no message type that this service knows')
        if not depth:
            raise RecursionError
        message_class, read, is_special, may_lack = self._content(descriptor)
        content = message_class()
        rest = {key: inner for key, inner in value.items() if key != "@type"}
        if is_special:
            if "value" not in rest:
                raise FaultError(f'"value", which holds the {descriptor.name}, is missing')
            inner = rest.pop("value")
            if rest and not self.ignore_unknown_fields:
                raise FaultError('only "@type" and "value" can stand here')
            self.ignore(rest)
            try:
                read(content, inner, depth - 1)
            except FaultError as fault:
                raise fault.inside(".value") from None
        else:
            read(content, rest, depth - 1)
            if may_lack:
                _check_required(content)
        message.type_url = type_url
        message.value = content.SerializeToString()

    def _content(self, descriptor: Descriptor) -> _Content:
        content = self._contents.get(descriptor.full_name)
        if content is None:
            with self._lock:
                read = self.reader(descriptor)
            content = self._contents[descriptor.full_name] = _Content(
                GetMessageClass(descriptor),
                read,
                descriptor.full_name in SPECIAL,
                may_lack_fields(descriptor),
            )
        return content

    def ignore(self, value: Any) -> None:
        """Passes over what is in unknown fields, where keys may not be repeated either."""
        pending = [value]
        while pending:
            value = pending.pop()
            if isinstance(value, RepeatedKey):
                raise _no_object(value, "")
            if value.__class__ is dict:
                pending += value.values()
            elif value.__class__ is list:
                pending += value


class _MessageReader:
    """Reads the JSON objects of one message type."""

    def __init__(self, descriptor: Descriptor, readers: StrictReaders) -> None:
        self._descriptor = descriptor
        self._readers = readers
        self._fields: dict[str, _Field] = {}
        self._oneofs = [
            (
                oneof.name,
                {
                    key: is_null_value(field)
                    for field in oneof.fields
                    for key in (field.json_name, field.name)
                },
            )
            for oneof in real_oneofs(descriptor)
        ]

    def add_fields(self) -> None:
        names = other_names(self._descriptor)
        for field in self._descriptor.fields:
            other_key = field.name if field.name in names else None
            made = self._fields[field.json_name] = self._readers.field(field, other_key)
            if other_key is not None:
                self._fields[other_key] = (*made[:2], field.json_name)

    def __call__(self, message: Any, tree: Any, depth: int) -> None:
        if tree.__class__ is not dict:
            raise _no_object(tree, "expected an object")
        fields = self._fields
        for key, value in tree.items():
            field = fields.get(key)
            if field is None:
                field = self._extension(key)
            if field is None:
                if not self._readers.ignore_unknown_fields:
                    refusal = FaultError(f"{self._descriptor.full_name} has no such field")
                    raise refusal.inside(_member(key))
                self._readers.ignore(value)
                continue
            read, takes_null, other_key = field
            if other_key is not None and other_key in tree:
                refusal = FaultError(f"duplicate key, {_shown(other_key)} names the same field")
                raise refusal.inside(_member(key))
            if value is None and not takes_null:
                continue
            try:
                read(message, value, depth)
            except FaultError as fault:
                raise fault.inside(_member(key)) from None
        for name, members in self._oneofs:
            found = [
                key
                for key, takes_null in members.items()
                if key in tree and (tree[key] is not None or takes_null)
            ]
            if len(found) > 1:
                raise FaultError(f"{' and '.join(found)} exclude each other (oneof {name})")

    def _extension(self, key: str) -> _Field | None:
        if not (self._descriptor.is_extendable and key[:1] == "[" and key[-1:] == "]"):
            return None
        try:
            field = descriptor_pool.Default().FindExtensionByName(key[1:-1])
        except (KeyError, ValueError):
            return None
        extended = field.containing_type
        if extended is None or extended.full_name != self._descriptor.full_name:
            return None
        made = self._fields[key] = self._readers.field(field, None)
        return made


def _check_required(message: Any) -> None:
    missing = message.FindInitializationErrors()
    if missing:
        raise FaultError("required, but missing").inside(f".{missing[0]}")


def _member(key: str) -> str:
    return f".{_shown(key)}"


def _entry(key: str) -> str:
    return f'["{_shown(key)}"]'


def _no_object(value: Any, reason: str, step: Callable[[str], str] = _member) -> FaultError:
    """Answers what is wrong with a value that is no object, or not as there may be one."""
    if isinstance(value, RepeatedKey):
        return FaultError("duplicate key").inside(step(value.key))
    return FaultError(reason)


def _shown(key: str) -> str:
    """Answers a key fit for one line."""
    short = key if len(key) <= 100 else f"{key[:100]}..."
    return short if short.isprintable() else json.dumps(short)[1:-1]


def _key(field: FieldDescriptor) -> tuple[Convert, str]:
    """Answers what converts the keys of a map, and what it expects."""
    convert, expected = _SCALARS[field.type]
    if field.type == FieldDescriptor.TYPE_BOOL:
        return read_values.boolean_key, expected
    if field.type == FieldDescriptor.TYPE_STRING:
        return convert, expected
    entry: Any = field.containing_type
    entry_class: Callable[..., Any] = GetMessageClass(entry)

    def convert_integer(key: Any) -> Any:
        number = convert(key)
        # Refuses one that is too large, also where the value of the key is then ignored.
        return entry_class(key=number).key

    return convert_integer, expected


def _extension_getter(field: FieldDescriptor) -> Get:
    return lambda message: message.Extensions[field]


def _single_scalar(field: FieldDescriptor, convert: Convert, expected: str) -> Read:
    name, plain = field.name, _PLAIN.get(field.type)

    def read(message: Any, value: Any, _depth: int) -> None:
        try:
            setattr(message, name, value if value.__class__ is plain else convert(value))
        except _IgnoredError:
            pass
        except _REFUSED:
            raise FaultError(f"expected {expected}") from None

    def set_extension(message: Any, value: Any) -> None:
        message.Extensions[field] = convert(value)

    return _value(set_extension, expected) if field.is_extension else read


def _value(set_value: Callable[[Any, Any], None], expected: str) -> Read:
    """Makes what sets a value that is no object or array of messages."""

    def read(message: Any, value: Any, _depth: int) -> None:
        try:
            set_value(message, value)
        except _IgnoredError:
            pass
        except _REFUSED:
            raise FaultError(f"expected {expected}") from None

    return read


def _single_message(get: Get, read_one: Read) -> Read:
    def read(message: Any, value: Any, depth: int) -> None:
        if not depth:
            raise RecursionError
        inner = get(message)
        inner.SetInParent()
        read_one(inner, value, depth - 1)

    return read


def _array(get: Get, add: Put, levels: int, takes_null: bool, expected: str) -> Read:
    """Makes what reads an array into a repeated field, whose elements are so many levels in."""

    def read(message: Any, value: Any, depth: int) -> None:
        if value.__class__ is not list:
            raise FaultError("expected an array")
        if depth < levels and value:
            raise RecursionError
        elements = get(message)
        for index, element in enumerate(value):
            try:
                if element is None and not takes_null:
                    raise FaultError(_NO_ELEMENT)
                add(elements, index, element, depth - levels)
            except _IgnoredError:
                continue
            except FaultError as fault:
                raise fault.inside(f"[{index}]") from None
            except _REFUSED:
                raise FaultError(f"expected {expected}").inside(f"[{index}]") from None

    return read


def _map(
    get: Get,
    convert_key: Convert,
    put: Put,
    levels: int,
    takes_null: bool,
    expected: str,
    step: Callable[[str], str],
) -> Read:
    """Makes what reads an object into a map, whose values are so many levels in."""

    def read(message: Any, value: Any, depth: int) -> None:
        if value.__class__ is not dict:
            raise _no_object(value, "expected an object", step)
        if depth < levels and value:
            raise RecursionError
        entries = get(message)
        for key, element in value.items():
            try:
                if element is None and not takes_null:
                    raise FaultError(_NO_ELEMENT)
                converted_key = convert_key(key)
                if converted_key in entries:
                    raise FaultError("duplicate key")
                put(entries, converted_key, element, depth - levels)
            except _IgnoredError:
                continue
            except FaultError as fault:
                raise fault.inside(step(key)) from None
            except _REFUSED:
                raise FaultError(f"expected {expected}").inside(step(key)) from None

    return read


def _set_wrapped(convert: Convert) -> Callable[[Any, Any], None]:
    def set_value(message: Any, value: Any) -> None:
        if value is not None:
            message.value = convert(value)

    return set_value


def _set_timestamp(message: Any, value: Any) -> None:
    parts = read_values.timestamp(value)
    message.seconds, message.nanos = parts["seconds"], parts["nanos"]


def _set_duration(message: Any, value: Any) -> None:
    parts = read_values.duration(value)
    message.seconds, message.nanos = parts["seconds"], parts["nanos"]


def _set_field_mask(message: Any, value: Any) -> None:
    message.paths.extend(read_values.field_paths(value))


def _read_value(message: Any, value: Any, depth: int) -> None:
    kind = value.__class__
    if kind is str:
        message.string_value = value
    elif kind is float or kind is int:
        try:
            message.number_value = read_values.any_double(value)
        except _REFUSED:
            raise FaultError(f"expected {_NUMBER}") from None
    elif kind is bool:
        message.bool_value = value
    elif value is None:
        message.null_value = 0
    elif not depth:
        raise RecursionError
    elif kind is list:
        message.list_value.SetInParent()
        _read_list(message.list_value, value, depth - 1)
    else:
        message.struct_value.SetInParent()
        _read_struct(message.struct_value, value, depth - 1)


_read_struct = _map(
    attrgetter("fields"),
    read_values.text,
    lambda fields, key, value, depth: _read_value(fields[key], value, depth),
    2,
    takes_null=True,
    expected="any JSON value",
    step=_member,
)
_read_list = _array(
    attrgetter("values"),
    lambda values, _, value, depth: _read_value(values.add(), value, depth),
    1,
    takes_null=True,
    expected="any JSON value",
)

"""Reads JSON text into messages of every type, and says what is wrong with it and where.

The parsed text is walked once by the descriptors of the messages in it: each step sets what it
comes to in the message, and a fault gets the path to it on the way back. What the walk needs to
know of a type is put together when the first of its messages comes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from operator import attrgetter
from threading import RLock
from typing import Any, NamedTuple, NoReturn, TypeVar

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from . import read_values
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
from .read_values import UncoveredError

AnyMessage = TypeVar("AnyMessage", bound=Message)

Read = Callable[[Any, Any, int], None]
"""Sets a JSON value in a message, in which there may be so many levels of further messages."""
Convert = Callable[[Any], Any]

_REFUSED = (UncoveredError, ValueError, TypeError, LookupError, ArithmeticError)
"""What `read_values` and protobuf raise for a value that is not of its type."""
_WHITE_SPACE = b" \t\r\n"
_MINUS_ZERO = re.compile(rb"-0[,\]}\s]")
_LONE_SURROGATE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]"
)
_STRING_OR_CONSTANT = re.compile('"[^"]*"|NaN|-?Infinity')
_LONGEST_NUMBER = 400
"""Digits; an integer of more is out of the range of every type."""
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


class RepeatedKey(dict[str, Any]):
    """A JSON object in which a key is repeated, so that nobody may take it for an object."""

    key = ""


class _IgnoredError(Exception):
    """A value is an unknown name of an enum, and those are ignored."""


class _ConstantError(Exception):
    """A text has NaN or Infinity where JSON has no such thing."""


class _Field(NamedTuple):
    """How to read a field.

    Attributes:
        read: Sets its value in a message.
        takes_null: null is a value of it, not its absence.
        other_key: The other key of the field, if it has two.
    """

    read: Read
    takes_null: bool
    other_key: str | None


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
            DURATION: _read_duration,
            FIELD_MASK: _read_field_mask,
            LIST_VALUE: _read_list,
            STRUCT: _read_struct,
            TIMESTAMP: _read_timestamp,
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
                read = _wrapper_reader(descriptor.fields_by_name["value"])
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
            return _Field(self._field_reader(field), takes_null, other_key)

    def _field_reader(self, field: FieldDescriptor) -> Read:
        get = _extension_getter(field) if field.is_extension else attrgetter(field.name)
        if entry := map_entry(field):
            convert_key, expected_key = _key(entry.key)
            expected = f"a key that is {expected_key}"
            if entry.value.message_type is not None:
                read = self.reader(entry.value.message_type)
                return _message_map(get, convert_key, read, is_null_value(entry.value), expected)
            convert, expected_value = self._scalar(entry.value)
            expected += f", and {expected_value}"
            return _scalar_map(get, convert_key, convert, is_null_value(entry.value), expected)
        if field.message_type is not None:
            read = self.reader(field.message_type)
            if field.is_repeated:
                return _message_list(get, read, is_null_value(field))
            return _single_message(get, read)
        convert, expected = self._scalar(field)
        if field.is_repeated:
            return _scalar_list(get, convert, is_null_value(field), f"expected {expected}")
        return _single_scalar(field, convert, f"expected {expected}")

    def _scalar(self, field: FieldDescriptor) -> tuple[Convert, str]:
        enum = field.enum_type
        if enum is None:
            return _SCALARS[field.type]
        numbers = {value.name: value.number for value in enum.values}
        is_null, ignores = is_null_value(field), self.ignore_unknown_fields

        def convert(value: Any) -> int:
            if value.__class__ is str:
                if value in numbers:
                    return numbers[value]
                if ignores:
                    raise _IgnoredError
            elif value.__class__ is int or (value == 0 and value.__class__ is float):
                return int(value)
            elif value is None and is_null:
                return 0
            raise UncoveredError

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
            raise JsonError(_TOO_DEEP)
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
                self._fields[other_key] = made._replace(other_key=field.json_name)

    def __call__(self, message: Any, tree: Any, depth: int) -> None:
        if tree.__class__ is not dict:
            raise _no_object(tree, "expected an object")
        fields = self._fields
        for key, value in tree.items():
            field = fields.get(key) or self._extension(key)
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


def parse(text: bytes) -> Any:
    """Parses JSON; an object in which a key is repeated becomes a `RepeatedKey`.

    Raises:
        JsonError: It is none; its text names the position.
        RecursionError: It is nested too deeply.
    """
    try:
        string = text.decode()
    except UnicodeDecodeError as error:
        raise _malformed("no UTF-8", text[: error.start].decode()) from None
    try:
        tree = _PRECISE.decode(string) if _MINUS_ZERO.search(text) else _decode(string)
    except json.JSONDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
        raise _malformed(reason, string[: error.pos]) from None
    except _ConstantError:
        raise _malformed("expecting value", string[: _find_constant(string)]) from None
    if "\\u" in string:
        # Python takes half a pair for a character.
        lone = _LONE_SURROGATE.search(string.replace("\\\\", "  "))
        if lone is not None:
            raise _malformed("half a surrogate pair", string[: lone.start()])
    return tree


def _decode(string: str) -> Any:
    try:
        return _QUICK.decode(string)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # Python reads no integer of more than 4300 digits.
        return _PRECISE.decode(string)


def _find_constant(string: str) -> int:
    """Answers the first place of NaN or Infinity outside of the strings of a JSON text."""
    plain = string.replace("\\\\", "  ").replace('\\"', "  ")
    found = (match for match in _STRING_OR_CONSTANT.finditer(plain) if match[0][0] != '"')
    return next(found).start()


def _malformed(reason: str, before: str) -> JsonError:
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return JsonError(f"malformed JSON: {reason}", line, column)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) == len(pairs):
        return tree
    repeated = RepeatedKey(tree)
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            repeated.key = key
            break
        seen.add(key)
    return repeated


def _refuse_constant(_name: str) -> NoReturn:
    raise _ConstantError


def _precise_integer(digits: str) -> int | float:
    if digits == "-0":
        return -0.0
    return int(digits) if len(digits) <= _LONGEST_NUMBER else math.inf


_QUICK = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)
_PRECISE = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_refuse_constant, parse_int=_precise_integer
)


def _check_required(message: Any) -> None:
    missing = message.FindInitializationErrors()
    if missing:
        raise FaultError("required, but missing").inside(f".{missing[0]}")


def _no_object(value: Any, reason: str, *, of_map: bool = False) -> FaultError:
    """Answers what is wrong with a value that is no object, or not as there may be one."""
    if isinstance(value, RepeatedKey):
        return FaultError("duplicate key").inside((_entry if of_map else _member)(value.key))
    return FaultError(reason)


def _member(key: str) -> str:
    return f".{_shown(key)}"


def _entry(key: str) -> str:
    return f'["{_shown(key)}"]'


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


def _extension_getter(field: FieldDescriptor) -> Callable[[Any], Any]:
    return lambda message: message.Extensions[field]


def _single_scalar(field: FieldDescriptor, convert: Convert, reason: str) -> Read:
    name, plain = field.name, _PLAIN.get(field.type)

    def read(message: Any, value: Any, _depth: int) -> None:
        try:
            setattr(message, name, value if value.__class__ is plain else convert(value))
        except _IgnoredError:
            pass
        except _REFUSED:
            raise FaultError(reason) from None

    def read_extension(message: Any, value: Any, _depth: int) -> None:
        try:
            message.Extensions[field] = convert(value)
        except _IgnoredError:
            pass
        except _REFUSED:
            raise FaultError(reason) from None

    return read_extension if field.is_extension else read


def _single_message(get: Callable[[Any], Any], read_one: Read) -> Read:
    def read(message: Any, value: Any, depth: int) -> None:
        if not depth:
            raise JsonError(_TOO_DEEP)
        inner = get(message)
        inner.SetInParent()
        read_one(inner, value, depth - 1)

    return read


def _scalar_list(
    get: Callable[[Any], Any], convert: Convert, takes_null: bool, reason: str
) -> Read:
    def read(message: Any, value: Any, _depth: int) -> None:
        if value.__class__ is not list:
            raise FaultError("expected an array")
        append = get(message).append
        for index, element in enumerate(value):
            try:
                append(convert(element))
            except _IgnoredError:
                continue
            except _REFUSED:
                is_null = element is None and not takes_null
                refusal = FaultError(_NO_ELEMENT if is_null else reason)
                raise refusal.inside(f"[{index}]") from None

    return read


def _message_list(get: Callable[[Any], Any], read_one: Read, takes_null: bool) -> Read:
    def read(message: Any, value: Any, depth: int) -> None:
        if value.__class__ is not list:
            raise FaultError("expected an array")
        if not depth and value:
            raise JsonError(_TOO_DEEP)
        add = get(message).add
        for index, element in enumerate(value):
            try:
                if element is None and not takes_null:
                    raise FaultError(_NO_ELEMENT)
                read_one(add(), element, depth - 1)
            except FaultError as fault:
                raise fault.inside(f"[{index}]") from None

    return read


def _scalar_map(
    get: Callable[[Any], Any],
    convert_key: Convert,
    convert: Convert,
    takes_null: bool,
    expected: str,
) -> Read:
    def read(message: Any, value: Any, depth: int) -> None:
        if value.__class__ is not dict:
            raise _no_object(value, "expected an object", of_map=True)
        if not depth and value:
            raise JsonError(_TOO_DEEP)
        entries = get(message)
        for key, element in value.items():
            try:
                converted_key = convert_key(key)
                if converted_key in entries:
                    raise FaultError("duplicate key")
                entries[converted_key] = convert(element)
            except _IgnoredError:
                continue
            except FaultError as fault:
                raise fault.inside(_entry(key)) from None
            except _REFUSED:
                is_null = element is None and not takes_null
                refusal = FaultError(_NO_ELEMENT if is_null else f"expected {expected}")
                raise refusal.inside(_entry(key)) from None

    return read


def _message_map(
    get: Callable[[Any], Any],
    convert_key: Convert,
    read_one: Read,
    takes_null: bool,
    expected: str,
) -> Read:
    def read(message: Any, value: Any, depth: int) -> None:
        if value.__class__ is not dict:
            raise _no_object(value, "expected an object", of_map=True)
        if depth < 2 and value:
            raise JsonError(_TOO_DEEP)
        entries = get(message)
        for key, element in value.items():
            try:
                if element is None and not takes_null:
                    raise FaultError(_NO_ELEMENT)
                try:
                    converted_key = convert_key(key)
                    if converted_key in entries:
                        raise FaultError("duplicate key")
                    inner = entries[converted_key]
                except _REFUSED:
                    raise FaultError(f"expected {expected}") from None
                read_one(inner, element, depth - 2)
            except FaultError as fault:
                raise fault.inside(_entry(key)) from None

    return read


def _wrapper_reader(field: FieldDescriptor) -> Read:
    convert, expected = _SCALARS[field.type]

    def read(message: Any, value: Any, _depth: int) -> None:
        if value is None:
            return
        try:
            message.value = convert(value)
        except _REFUSED:
            raise FaultError(f"expected {expected}, or null") from None

    return read


def _read_timestamp(message: Any, value: Any, _depth: int) -> None:
    try:
        parts = read_values.timestamp(value)
    except _REFUSED:
        reason = 'expected an RFC 3339 time such as "1972-01-01T10:00:20.021Z"'
        raise FaultError(reason) from None
    message.seconds, message.nanos = parts["seconds"], parts["nanos"]


def _read_duration(message: Any, value: Any, _depth: int) -> None:
    try:
        parts = read_values.duration(value)
    except _REFUSED:
        raise FaultError('expected a duration such as "1.5s"') from None
    message.seconds, message.nanos = parts["seconds"], parts["nanos"]


def _read_field_mask(message: Any, value: Any, _depth: int) -> None:
    try:
        message.paths.extend(read_values.field_paths(value))
    except _REFUSED:
        raise FaultError('expected field paths such as "title,author.name"') from None


def _read_struct(message: Any, value: Any, depth: int) -> None:
    if value.__class__ is not dict:
        raise _no_object(value, "expected an object")
    if depth < 2 and value:
        raise JsonError(_TOO_DEEP)
    fields = message.fields
    for key, inner in value.items():
        try:
            _read_value(fields[key], inner, depth - 2)
        except FaultError as fault:
            raise fault.inside(_member(key)) from None


def _read_list(message: Any, value: Any, depth: int) -> None:
    if value.__class__ is not list:
        raise FaultError("expected an array")
    if not depth and value:
        raise JsonError(_TOO_DEEP)
    add = message.values.add
    for index, inner in enumerate(value):
        try:
            _read_value(add(), inner, depth - 1)
        except FaultError as fault:
            raise fault.inside(f"[{index}]") from None


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
    else:
        if not depth:
            raise JsonError(_TOO_DEEP)
        is_list = kind is list
        inner = message.list_value if is_list else message.struct_value
        inner.SetInParent()
        (_read_list if is_list else _read_struct)(inner, value, depth - 1)

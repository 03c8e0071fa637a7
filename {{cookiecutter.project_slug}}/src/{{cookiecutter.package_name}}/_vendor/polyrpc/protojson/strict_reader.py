"""Reads JSON text into messages of every type, and says what is wrong with it and where.

The parsed text is walked once by the descriptors of the messages in it: each step sets what it
comes to in the message, and a fault gets the path to it on the way back. What the walk needs to
know of a type is put together when the first of its messages comes.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from threading import RLock
from typing import Any, NamedTuple, TypeVar

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from .descriptors import (
    ANY,
    DEEPEST,
    SPECIAL,
    WRAPPERS,
    find_type,
    is_null_value,
    map_entry,
    may_lack_fields,
    other_names,
    real_oneofs,
)
from .errors import JsonError
from .faults import REFUSED, FaultError, IgnoredError, member, no_object, shown
from .json_parser import RepeatedKey, parse
from .strict_fields import (
    Get,
    Put,
    Read,
    read_map,
    read_message,
    read_messages,
    read_scalar,
    read_scalars,
)
from .strict_scalars import Convert, map_key, plain_class, scalar, takes_arrays
from .strict_well_known import WELL_KNOWN, read_wrapper

AnyMessage = TypeVar("AnyMessage", bound=Message)

_Field = tuple[str, Convert | None, type | None, Read, bool, str | None]
"""How to read a field; not a named tuple: that takes twice as long to take apart.

Its name; for a single scalar what converts it, and the class of values that need no conversion, so
that most are set without a further call; what reads any other; whether null is a value of it, not
its absence; for the key that is its name in the `.proto` file, the one that it should have.
"""

_WHITE_SPACE = b" \t\r\n"
_TOO_DEEP = f"nested deeper than {DEEPEST} messages"


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
        self._made: dict[str, Read] = {ANY: self._read_any, **WELL_KNOWN}

    def of(self, message_class: type[AnyMessage]) -> Callable[[bytes, int | None], AnyMessage]:
        """Makes the function that turns JSON text into a message; it raises `JsonError`.

        Its second argument is as that of `parse`.
        """
        descriptor: Any = message_class.DESCRIPTOR
        with self._lock:
            read = self.reader(descriptor)
        may_lack = may_lack_fields(descriptor)

        def read_text(text: bytes, refused_at: int | None = None) -> AnyMessage:
            message = message_class()
            try:
                if text.strip(_WHITE_SPACE):
                    read(message, parse(text, refused_at), DEEPEST)
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
                read = read_wrapper(*self._scalar(descriptor.fields_by_name["value"]))
                self._made[descriptor.full_name] = read
            else:
                made = _MessageReader(descriptor, self)
                read = self._made[descriptor.full_name] = made.read
                # Only now: a message that contains itself finds its own reader.
                made.add_fields()
        return read

    def field(self, field: FieldDescriptor) -> _Field:
        """Answers how to read a field."""
        takes_null = is_null_value(field) and not field.is_repeated
        convert, plain = None, None
        if not (field.is_repeated or field.message_type or field.is_extension):
            convert, plain = self._scalar(field)[0], plain_class(field)
        with self._lock:
            read = self._field_reader(field)
        return field.name, convert, plain, read, takes_null, None

    def _field_reader(self, field: FieldDescriptor) -> Read:
        get = _extension_getter(field) if field.is_extension else attrgetter(field.name)
        if entry := map_entry(field):
            convert_key, expected = map_key(entry.key)
            put, levels, expected_value = self._putting(entry.value)
            if expected_value:
                expected += f", and {expected_value}"
            return read_map(
                get,
                convert_key,
                put,
                levels + 1,
                takes_null=is_null_value(entry.value),
                expected=f"a key that is {expected}",
            )
        if field.message_type is not None:
            read = self.reader(field.message_type)
            if field.is_repeated:
                return read_messages(get, read, takes_null=is_null_value(field))
            return read_message(get, read)
        convert, expected = self._scalar(field)
        if field.is_repeated:
            return read_scalars(get, convert, expected, takes_arrays=takes_arrays(field))
        return read_scalar(field, convert, expected)

    def _putting(self, field: FieldDescriptor) -> tuple[Put, int, str]:
        """Answers what sets the value of a map under a key, the levels to it, what it expects."""
        if field.message_type is not None:
            read = self.reader(field.message_type)
            return lambda entries, key, value, depth: read(entries[key], value, depth), 1, ""
        convert, expected = self._scalar(field)

        def put(entries: Any, key: Any, value: Any, _depth: int) -> None:
            entries[key] = convert(value)

        return put, 0, expected

    def _scalar(self, field: FieldDescriptor) -> tuple[Convert, str]:
        return scalar(field, ignores_unknown_names=self.ignore_unknown_fields)

    def _read_any(self, message: Any, value: Any, depth: int) -> None:
        if value.__class__ is not dict:
            raise no_object(value, 'expected an object with "@type"')
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
                raise no_object(value, "")
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
        for field in self._descriptor.fields:
            self._fields[field.json_name] = self._readers.field(field)
        for name, json_name in other_names(self._descriptor).items():
            self._fields[name] = (*self._fields[json_name][:-1], json_name)

    def read(self, message: Any, tree: Any, depth: int) -> None:
        if tree.__class__ is not dict:
            raise no_object(tree, "expected an object")
        fields = self._fields
        for key, value in tree.items():
            field = fields.get(key) or self._unknown_field(key, value)
            if field is None:
                continue
            name, convert, plain, read, takes_null, json_name = field
            if json_name is not None and json_name in tree:
                first, other = (each for each in tree if each in (key, json_name))
                refusal = FaultError(f"duplicate key, {shown(other)} names the same field")
                raise refusal.inside(member(first))
            if value is None and not takes_null:
                continue
            if convert is not None:
                try:
                    setattr(message, name, value if value.__class__ is plain else convert(value))
                    continue
                except (IgnoredError, *REFUSED):
                    pass  # `read` comes to the same, and says why.
            try:
                read(message, value, depth)
            except FaultError as fault:
                raise fault.inside(member(key)) from None
        for name, members in self._oneofs:
            found = [
                key
                for key, takes_null in members.items()
                if key in tree and (tree[key] is not None or takes_null)
            ]
            if len(found) > 1:
                raise FaultError(f"{' and '.join(found)} exclude each other (oneof {name})")

    def _unknown_field(self, key: str, value: Any) -> _Field | None:
        """Answers the extension that a key names, or None if its value is ignored."""
        extension = self._extension(key)
        if extension is None:
            if not self._readers.ignore_unknown_fields:
                refusal = FaultError(f"{self._descriptor.full_name} has no such field")
                raise refusal.inside(member(key))
            self._readers.ignore(value)
        return extension

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
        made = self._fields[key] = self._readers.field(field)
        return made


def _check_required(message: Any) -> None:
    missing = message.FindInitializationErrors()
    if missing:
        raise FaultError("required, but missing").inside(f".{missing[0]}")


def _extension_getter(field: FieldDescriptor) -> Get:
    return lambda message: message.Extensions[field]

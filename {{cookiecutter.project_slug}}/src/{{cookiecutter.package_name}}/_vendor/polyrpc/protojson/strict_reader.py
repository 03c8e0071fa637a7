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
)
from .errors import JsonError
from .faults import FaultError, no_object
from .json_parser import parse
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
from .strict_message import Field, MessageReader, ignore
from .strict_scalars import Convert, map_key, plain_class, scalar, takes_arrays
from .strict_well_known import WELL_KNOWN, read_wrapper

AnyMessage = TypeVar("AnyMessage", bound=Message)

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
        self._ignore_unknown_fields = ignore_unknown_fields
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
            read = self._reader(descriptor)
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

    def _reader(self, descriptor: Descriptor) -> Read:
        """Answers what reads the JSON of a message type."""
        read = self._made.get(descriptor.full_name)
        if read is None:
            if descriptor.full_name in WRAPPERS:
                read = read_wrapper(*self._scalar(descriptor.fields_by_name["value"]))
                self._made[descriptor.full_name] = read
            else:
                made = MessageReader(
                    descriptor, self._field, ignores_unknown_fields=self._ignore_unknown_fields
                )
                read = self._made[descriptor.full_name] = made.read
                # Only now: a message that contains itself finds its own reader.
                made.add_fields()
        return read

    def _field(self, field: FieldDescriptor) -> Field:
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
            read = self._reader(field.message_type)
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
            read = self._reader(field.message_type)
            return lambda entries, key, value, depth: read(entries[key], value, depth), 1, ""
        convert, expected = self._scalar(field)

        def put(entries: Any, key: Any, value: Any, _depth: int) -> None:
            entries[key] = convert(value)

        return put, 0, expected

    def _scalar(self, field: FieldDescriptor) -> tuple[Convert, str]:
        return scalar(field, ignores_unknown_names=self._ignore_unknown_fields)

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
            if rest and not self._ignore_unknown_fields:
                raise FaultError('only "@type" and "value" can stand here')
            ignore(rest)
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
                read = self._reader(descriptor)
            content = self._contents[descriptor.full_name] = _Content(
                GetMessageClass(descriptor),
                read,
                descriptor.full_name in SPECIAL,
                may_lack_fields(descriptor),
            )
        return content


def _check_required(message: Any) -> None:
    missing = message.FindInitializationErrors()
    if missing:
        raise FaultError("required, but missing").inside(f".{missing[0]}")


def _extension_getter(field: FieldDescriptor) -> Get:
    return lambda message: message.Extensions[field]

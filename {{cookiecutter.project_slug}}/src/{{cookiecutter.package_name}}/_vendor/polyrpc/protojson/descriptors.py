"""What descriptors say of message types, for all of the codec's ways."""

from __future__ import annotations

from typing import NamedTuple

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.internal import api_implementation

ANY = "google.protobuf.Any"
DURATION = "google.protobuf.Duration"
FIELD_MASK = "google.protobuf.FieldMask"
LIST_VALUE = "google.protobuf.ListValue"
NULL_VALUE = "google.protobuf.NullValue"
STRUCT = "google.protobuf.Struct"
TIMESTAMP = "google.protobuf.Timestamp"
VALUE = "google.protobuf.Value"
WRAPPERS = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in ("Bool", "Bytes", "Double", "Float", "Int32", "Int64", "String", "UInt32", "UInt64")
)
SPECIAL = WRAPPERS | {ANY, DURATION, FIELD_MASK, LIST_VALUE, STRUCT, TIMESTAMP, VALUE}
"""Messages with a JSON form of their own, which an `Any` carries under the key `value`."""
LEAVES = WRAPPERS | {TIMESTAMP, DURATION}
"""Messages that are one JSON value each, which compiled readers convert."""
# The conversions rely on what upb's constructors refuse; the other implementation takes more.
HAS_UPB = api_implementation.Type() == "upb"
LONG_INTEGERS = (
    FieldDescriptor.TYPE_INT64,
    FieldDescriptor.TYPE_SINT64,
    FieldDescriptor.TYPE_SFIXED64,
    FieldDescriptor.TYPE_UINT64,
    FieldDescriptor.TYPE_FIXED64,
)
"""The types of integers that JSON has in quotes, for they are beyond those of JavaScript."""
DEEPEST = 100
"""Levels of messages that protobuf's parsers take inside a message; an entry of a map is one."""


class Map(NamedTuple):
    """The two fields of each entry of a map."""

    key: FieldDescriptor
    value: FieldDescriptor


def map_entry(field: FieldDescriptor) -> Map | None:
    """Answers the key and the value of a map field, or None for any other field."""
    entry = field.message_type
    if entry is None or not entry.GetOptions().map_entry:
        return None
    return Map(entry.fields_by_name["key"], entry.fields_by_name["value"])


def is_null_value(field: FieldDescriptor) -> bool:
    """Answers whether null is a value of the field, rather than its absence."""
    enum, message = field.enum_type, field.message_type
    return (enum is not None and enum.full_name == NULL_VALUE) or (
        message is not None and message.full_name == VALUE
    )


def other_names(descriptor: Descriptor) -> dict[str, str]:
    """Answers the JSON names of fields by their names in the `.proto` file, where these differ.

    A name that is also the JSON name of another field means that one.
    """
    json_names = {field.json_name for field in descriptor.fields}
    return {
        field.name: field.json_name for field in descriptor.fields if field.name not in json_names
    }


def real_oneofs(descriptor: Descriptor) -> list[OneofDescriptor]:
    """Answers the oneofs that more than one field can set, so not those of `optional` fields."""
    return [
        oneof
        for oneof in descriptor.oneofs
        if len(oneof.fields) > 1 and descriptor.full_name not in SPECIAL
    ]


def closure(descriptor: Descriptor) -> dict[str, Descriptor]:
    """Answers the message types that a message can contain, itself included, by full name."""
    found: dict[str, Descriptor] = {}
    pending = [descriptor]
    while pending:
        message = pending.pop()
        if message.full_name not in found:
            found[message.full_name] = message
            pending += [field.message_type for field in message.fields if field.message_type]
    return found


def contains_itself(descriptor: Descriptor) -> bool:
    """Answers whether a message can have another of its type in it, at any level."""
    inner = [field.message_type for field in descriptor.fields if field.message_type]
    return any(descriptor.full_name in closure(each) for each in inner)


def may_lack_fields(descriptor: Descriptor) -> bool:
    """Answers whether a message can lack a required field, be it one of an extension's."""
    return any(
        message.is_extendable or any(field.is_required for field in message.fields)
        for message in closure(descriptor).values()
    )


def find_type(type_url: object) -> Descriptor | None:
    """Answers the message type that an `Any` names, if an imported module defines it."""
    if not isinstance(type_url, str):
        return None
    try:
        return descriptor_pool.Default().FindMessageTypeByName(type_url.rpartition("/")[2])
    except (KeyError, ValueError):
        return None


def is_http_body(descriptor: Descriptor, field: str = "") -> bool:
    """Tells whether a message, or a singular field of it, is a `google.api.HttpBody`."""
    message: Descriptor | None = descriptor
    if field not in ("", "*"):
        described: FieldDescriptor = descriptor.fields_by_name[field]
        message = None if described.is_repeated else described.message_type
    return message is not None and message.full_name == "google.api.HttpBody"


def is_covered(descriptor: Descriptor) -> bool:
    """Answers whether compiled readers can read a type: all that it can contain is plain."""
    return (
        HAS_UPB
        and descriptor.full_name not in LEAVES
        and all(map(_is_plain, closure(descriptor).values()))
    )


def _is_plain(message: Descriptor) -> bool:
    return (
        message.full_name not in SPECIAL - LEAVES
        and not message.is_extendable
        and not _has_exchanged_names(message)
        and all(map(_is_plain_field, message.fields))
    )


def _has_exchanged_names(message: Descriptor) -> bool:
    """Answers whether JSON has the name of one field for another, as proto2 allows."""
    names = {field.json_name: field.name for field in message.fields}
    return any(names.get(field.name, field.name) != field.name for field in message.fields)


def _is_plain_field(field: FieldDescriptor) -> bool:
    is_null = field.enum_type is not None and field.enum_type.full_name == NULL_VALUE
    return not field.is_required and not is_null

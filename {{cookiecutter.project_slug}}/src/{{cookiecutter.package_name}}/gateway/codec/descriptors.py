"""What descriptors say of message types, for both of the codec's ways."""

from __future__ import annotations

from typing import NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor

ANY = "google.protobuf.Any"
VALUE = "google.protobuf.Value"
NULL_VALUE = "google.protobuf.NullValue"
WRAPPERS = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in ("Bool", "Bytes", "Double", "Float", "Int32", "Int64", "String", "UInt32", "UInt64")
)
SPECIAL = WRAPPERS | {
    ANY,
    VALUE,
    "google.protobuf.Duration",
    "google.protobuf.FieldMask",
    "google.protobuf.ListValue",
    "google.protobuf.Struct",
    "google.protobuf.Timestamp",
}
"""Messages with a JSON form of their own, which an `Any` carries under the key `value`."""


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


def fields_by_key(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    """Answers the fields of a message by every JSON key that names one; the JSON names win."""
    return {
        **{field.name: field for field in descriptor.fields},
        **{field.json_name: field for field in descriptor.fields},
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

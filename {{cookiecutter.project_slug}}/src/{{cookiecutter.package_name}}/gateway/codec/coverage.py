"""Which message types compiled functions can convert."""

from __future__ import annotations

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.internal import api_implementation

from .descriptors import ANY, NULL_VALUE, VALUE, WRAPPERS, closure

TIMESTAMP = "google.protobuf.Timestamp"
DURATION = "google.protobuf.Duration"
LEAVES = WRAPPERS | {TIMESTAMP, DURATION}
"""Messages that are one JSON value each, which compiled functions convert."""

_UNCOVERED = {
    ANY,
    VALUE,
    "google.protobuf.FieldMask",
    "google.protobuf.ListValue",
    "google.protobuf.Struct",
}
# The conversions rely on what upb's constructors refuse; the other implementation takes more.
_HAS_UPB = api_implementation.Type() == "upb"


def is_covered(descriptor: Descriptor) -> bool:
    """Answers whether compiled functions can convert a type: all that it can contain is plain."""
    return (
        _HAS_UPB
        and descriptor.full_name not in LEAVES
        and all(map(_is_plain, closure(descriptor).values()))
        # Nested without end, messages may be too deep for one way and not for the other.
        and not _contains_itself(descriptor)
    )


def _contains_itself(descriptor: Descriptor) -> bool:
    inner = {
        name: {field.message_type.full_name for field in message.fields if field.message_type}
        for name, message in closure(descriptor).items()
    }
    # What holds none of the rest cannot come back to itself; take it away till nothing is left.
    while ended := [name for name, names in inner.items() if names.isdisjoint(inner)]:
        for name in ended:
            del inner[name]
    return bool(inner)


def _is_plain(message: Descriptor) -> bool:
    return (
        message.full_name not in _UNCOVERED
        and not message.is_extendable
        and all(map(_is_plain_field, message.fields))
    )


def _is_plain_field(field: FieldDescriptor) -> bool:
    return not field.is_required and (field.enum_type is None or _is_plain_enum(field.enum_type))


def _is_plain_enum(enum: EnumDescriptor) -> bool:
    # protobuf-py prints the last name of a number, protobuf itself the first.
    has_aliases = len(enum.values) > len({value.number for value in enum.values})
    return enum.full_name != NULL_VALUE and not has_aliases

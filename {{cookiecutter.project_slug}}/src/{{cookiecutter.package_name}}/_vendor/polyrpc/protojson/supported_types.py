"""Which message types compiled readers take."""

from __future__ import annotations

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.internal import api_implementation

from .descriptors import DURATION, NULL_VALUE, SPECIAL, TIMESTAMP, WRAPPERS, closure

LEAVES = WRAPPERS | {TIMESTAMP, DURATION}
"""Messages that are one JSON value each, which compiled readers convert."""

# The conversions rely on what upb's constructors refuse; the other implementation takes more.
HAS_UPB = api_implementation.Type() == "upb"


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
        and all(map(_is_plain_field, message.fields))
    )


def _is_plain_field(field: FieldDescriptor) -> bool:
    is_null = field.enum_type is not None and field.enum_type.full_name == NULL_VALUE
    return not field.is_required and not is_null

"""The fields of many messages as lists, one for each field, made by protobuf's own parser.

Where an embedded message is on the wire several times, and its type says that there is one, parsers
merge them, and append the elements of lists (https://protobuf.dev/programming-guides/encoding/). So
what is written for

    message Order { repeated Item items = 5; }
    message Item { string sku = 1; int64 price_cents = 4; }

is by another type, which is made here, one message that has all SKUs and all prices:

    message Order { Item items = 5; }
    message Item { repeated string sku = 1; repeated int64 price_cents = 4; }

Such a list takes a fraction of the time that an attribute of each message takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Error, Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.unknown_fields import UnknownFieldSet

from .descriptors import HAS_UPB, contains_itself

_Parse = Callable[[bytes], Any]

_LEAST_COLUMNS = 3
"""Fewer would not be worth it."""
_MOST_BYTES = 256
"""On the wire, for each message of a list: where there are more, they are better not copied."""
_MOST_MESSAGES = 10_000
"""In a list: all that is made of them is there at once, about 1 KiB for each."""
_BYTES = FieldDescriptor.TYPE_BYTES
_NOT_PACKED = (FieldDescriptor.TYPE_STRING, _BYTES)
_AS_READ = {
    FieldDescriptor.TYPE_ENUM: FieldDescriptor.TYPE_INT32,
    FieldDescriptor.TYPE_STRING: _BYTES,
}
"""The types that fields are read as, where these are others."""


def is_column(field: FieldDescriptor) -> bool:
    """Answers whether `column_reader` reads a field: one scalar, without presence."""
    return field.message_type is None and not field.is_repeated and not field.has_presence


def has_columns(field: FieldDescriptor) -> bool:
    """Answers whether `column_reader` can be of use for a list of messages."""
    whole, part = field.containing_type, field.message_type
    return (
        HAS_UPB
        and field.type == FieldDescriptor.TYPE_MESSAGE
        and not field.is_extension
        # At each level, all that is in there would be written again.
        and not (whole is None or contains_itself(whole))
        and not (part is None or sum(map(is_column, part.fields)) < _LEAST_COLUMNS)
    )


def column_reader(
    field_number: int, part: Descriptor
) -> Callable[[Any, int], list[list[Any]] | None]:
    """Makes the function that answers the fields of all messages of a list, where that is of use.

    It takes the message that has the list, and how many messages are in it; it answers a list for
    each field that `is_column`, of strings in UTF-8, and of enums' numbers. Values that the wire
    leaves out, zeros and the like, are not in there: a list that is shorter does not tell which
    they were.

    Args:
        field_number: That of the list.
        part: The type of its messages.
    """
    types = {
        each.number: _AS_READ.get(each.type, each.type) for each in part.fields if is_column(each)
    }
    # Numbers packed into one string, which parsers ignore where there should be one number, would
    # be taken for those of other messages.
    numbers = {number for number, kind in types.items() if kind not in _NOT_PACKED}
    names = [f"column_{number}" for number in types]

    @cache
    def parsers() -> tuple[_Parse, _Parse]:
        one, many = FieldDescriptor.LABEL_OPTIONAL, FieldDescriptor.LABEL_REPEATED
        return _merging(field_number, types, one), _merging(field_number, types, many)

    def read(message: Message, count: int) -> list[list[Any]] | None:
        if count > _MOST_MESSAGES:
            return None
        parse_last, parse_all = parsers()
        try:
            wire = message.SerializePartialToString()
            if len(wire) > _MOST_BYTES * count:
                return None
            ignored: Any = UnknownFieldSet(parse_last(wire).inner)
            if any(each.field_number in numbers for each in ignored):
                return None
            columns = parse_all(wire).inner
        except Error:
            return None
        return [getattr(columns, name)[:] for name in names]

    return read


def _merging(field_number: int, types: Mapping[int, Any], label: Any) -> _Parse:
    """Makes the parser of a list as one message, with one value of each field or with all."""
    # A start should not wait for it.
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

    file = FileDescriptorProto(name="columns.proto", syntax="proto3")
    outer, inner = file.message_type.add(name="Outer"), file.message_type.add(name="Inner")
    kind, one = FieldDescriptorProto.TYPE_MESSAGE, FieldDescriptorProto.LABEL_OPTIONAL
    outer.field.add(name="inner", number=field_number, type=kind, type_name=".Inner", label=one)
    for number, kind in types.items():
        inner.field.add(name=f"column_{number}", number=number, type=kind, label=label)
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    parse: _Parse = GetMessageClass(pool.FindMessageTypeByName("Outer")).FromString
    return parse

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

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Error, Message
from google.protobuf.message_factory import GetMessageClass

from .descriptors import HAS_UPB, contains_itself

_Parse = Callable[[bytes, Iterable[int]], list[list[Any]]]

_LEAST_COLUMNS = 3
"""Fewer would not be worth it."""
_MOST_BYTES = 256
"""On the wire, for each message of a list: where there are more, they are better not copied."""
_MOST_MESSAGES = 10_000
"""In a list: all that is made of them is there at once, about 1 KiB for each."""
_NOT_PACKED = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)


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
    each field that `is_column`. Values that the wire leaves out, zeros and the like, are not in
    there: a list that is shorter does not tell which they were.

    Args:
        field_number: That of the list.
        part: The type of its messages.
    """
    types = {
        each.number: FieldDescriptor.TYPE_INT32 if each.enum_type is not None else each.type
        for each in part.fields
        if is_column(each)
    }
    # Numbers packed into one string, which parsers ignore where there should be one number, would
    # be taken for those of other messages.
    numbers = [number for number, kind in types.items() if kind not in _NOT_PACKED]
    strings = dict.fromkeys(types, FieldDescriptor.TYPE_BYTES)

    @cache
    def parsers() -> tuple[_Parse, _Parse]:
        return _merged(field_number, strings), _merged(field_number, types)

    def read(message: Message, count: int) -> list[list[Any]] | None:
        if count > _MOST_MESSAGES:
            return None
        find_packed, merge = parsers()
        try:
            wire = message.SerializePartialToString()
            if len(wire) > _MOST_BYTES * count or any(find_packed(wire, numbers)):
                return None
            return merge(wire, types)
        except Error:
            return None

    return read


def _merged(field_number: int, types: Mapping[int, Any]) -> _Parse:
    """Makes a function from wire format to the values of the fields with some numbers."""
    # A start should not wait for it.
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

    file = FileDescriptorProto(name="columns.proto", syntax="proto3")
    outer, inner = file.message_type.add(name="Outer"), file.message_type.add(name="Inner")
    kind, one = FieldDescriptorProto.TYPE_MESSAGE, FieldDescriptorProto.LABEL_OPTIONAL
    outer.field.add(name="inner", number=field_number, type=kind, type_name=".Inner", label=one)
    for number, kind in types.items():
        many = FieldDescriptorProto.LABEL_REPEATED
        inner.field.add(name=f"column_{number}", number=number, type=kind, label=many)
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    parse: Callable[[bytes], Any] = GetMessageClass(pool.FindMessageTypeByName("Outer")).FromString

    def values(wire: bytes, numbers: Iterable[int]) -> list[list[Any]]:
        merged = parse(wire).inner
        return [getattr(merged, f"column_{number}")[:] for number in numbers]

    return values

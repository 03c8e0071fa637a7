"""How the strict reader converts the values of fields that are no messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from . import parse_values as read_values
from .descriptors import HAS_UPB, is_null_value
from .faults import IgnoredError
from .parse_values import UnsupportedError

Convert = Callable[[Any], Any]
"""Turns a JSON value into that of a field; it raises one of `faults.REFUSED`, or `IgnoredError`."""

NUMBER = "a number in the range of double"
_CONVERSIONS: dict[int, tuple[Convert, str]] = {
    FieldDescriptor.CPPTYPE_BOOL: (read_values.boolean, "true or false"),
    FieldDescriptor.CPPTYPE_STRING: (read_values.text, "a string"),
    FieldDescriptor.CPPTYPE_DOUBLE: (read_values.any_double, NUMBER),
    FieldDescriptor.CPPTYPE_FLOAT: (read_values.any_single, "a number in the range of float"),
    **{
        kind: (read_values.any_integer, f"an integer in the range of {name}")
        for kind, name in (
            (FieldDescriptor.CPPTYPE_INT32, "int32"),
            (FieldDescriptor.CPPTYPE_UINT32, "uint32"),
            (FieldDescriptor.CPPTYPE_INT64, "int64"),
            (FieldDescriptor.CPPTYPE_UINT64, "uint64"),
        )
    },
}
"""What converts the values of a kind of fields, and what it expects."""
_BYTES = (read_values.octets, "a base64 string")
"""The same of bytes, which are of the kind of strings."""
_PLAIN: dict[int, type] = {
    FieldDescriptor.CPPTYPE_BOOL: bool,
    FieldDescriptor.CPPTYPE_STRING: str,
    FieldDescriptor.CPPTYPE_INT32: int,
    FieldDescriptor.CPPTYPE_UINT32: int,
    FieldDescriptor.CPPTYPE_INT64: int,
    FieldDescriptor.CPPTYPE_UINT64: int,
}
_REFUSED_BY_UPB = {
    FieldDescriptor.CPPTYPE_ENUM,
    FieldDescriptor.CPPTYPE_STRING,
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_UINT32,
}


def scalar(field: FieldDescriptor, *, ignores_unknown_names: bool) -> tuple[Convert, str]:
    """Answers what converts the values of a field, and what it expects."""
    enum = field.enum_type
    if enum is None:
        return _BYTES if _is_bytes(field) else _CONVERSIONS[field.cpp_type]
    numbers = {value.name: value.number for value in enum.values}
    is_null = is_null_value(field)

    def convert(value: Any) -> int:
        if value.__class__ is str:
            number = numbers.get(value)
            if number is not None:
                return number
            if ignores_unknown_names:
                raise IgnoredError
        elif value.__class__ is int or (value == 0 and value.__class__ is float):
            return int(value)
        elif value is None and is_null:
            return 0
        raise UnsupportedError

    return convert, f"a name or number of {enum.full_name}"


def plain_class(field: FieldDescriptor) -> type | None:
    """Answers the class of the values that need no conversion, if there is one."""
    return None if _is_bytes(field) else _PLAIN.get(field.cpp_type)


def takes_arrays(field: FieldDescriptor) -> bool:
    """Answers whether protobuf itself refuses all that is no value of a repeated field."""
    return HAS_UPB and field.cpp_type in _REFUSED_BY_UPB and not _is_bytes(field)


def map_key(field: FieldDescriptor) -> tuple[Convert | None, str]:
    """Answers what converts the keys of a map, if they are no strings, and what it expects."""
    convert, expected = _CONVERSIONS[field.cpp_type]
    if field.type == FieldDescriptor.TYPE_BOOL:
        return read_values.boolean_key, expected
    if field.type == FieldDescriptor.TYPE_STRING:
        return None, expected
    entry: Any = field.containing_type
    entry_class: Callable[..., Any] = GetMessageClass(entry)

    def convert_integer(key: Any) -> Any:
        number = convert(key)
        # Refuses one that is too large, also where the value of the key is then ignored.
        return entry_class(key=number).key

    return convert_integer, expected


def _is_bytes(field: FieldDescriptor) -> bool:
    return bool(field.type == FieldDescriptor.TYPE_BYTES)

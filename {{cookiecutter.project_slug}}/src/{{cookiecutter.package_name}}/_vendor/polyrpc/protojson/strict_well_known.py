"""How the strict reader reads the messages of `google.protobuf` that have a JSON form of their own.

All but `Any`, which needs the readers of other types.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from . import parse_values as read_values
from .descriptors import DURATION, FIELD_MASK, LIST_VALUE, STRUCT, TIMESTAMP, VALUE
from .faults import REFUSED, FaultError, member
from .strict_fields import Read, read_map, read_messages, read_value
from .strict_scalars import NUMBER, Convert


def read_wrapper(convert: Convert, expected: str) -> Read:
    def set_value(message: Any, value: Any) -> None:
        if value is not None:
            message.value = convert(value)

    return read_value(set_value, f"{expected}, or null")


def _set_seconds(parse: Callable[[Any], dict[str, int]]) -> Callable[[Any, Any], None]:
    def set_value(message: Any, value: Any) -> None:
        parts = parse(value)
        message.seconds, message.nanos = parts["seconds"], parts["nanos"]

    return set_value


def _set_field_mask(message: Any, value: Any) -> None:
    message.paths.extend(read_values.field_paths(value))


def _read_json_value(message: Any, value: Any, depth: int) -> None:
    kind = value.__class__
    if kind is str:
        message.string_value = value
    elif kind is float or kind is int:
        try:
            message.number_value = read_values.any_double(value)
        except REFUSED:
            raise FaultError(f"expected {NUMBER}") from None
    elif kind is bool:
        message.bool_value = value
    elif value is None:
        message.null_value = 0
    elif not depth:
        raise RecursionError
    elif kind is list:
        message.list_value.SetInParent()
        _read_list(message.list_value, value, depth - 1)
    else:
        message.struct_value.SetInParent()
        _read_struct(message.struct_value, value, depth - 1)


_read_struct = read_map(
    attrgetter("fields"),
    None,
    lambda fields, key, value, depth: _read_json_value(fields[key], value, depth),
    2,
    takes_null=True,
    expected="any JSON value",
    step=member,
)
_read_list = read_messages(attrgetter("values"), _read_json_value, takes_null=True)

WELL_KNOWN: dict[str, Read] = {
    DURATION: read_value(_set_seconds(read_values.duration), 'a duration such as "1.5s"'),
    FIELD_MASK: read_value(_set_field_mask, 'field paths such as "title,author.name"'),
    LIST_VALUE: _read_list,
    STRUCT: _read_struct,
    TIMESTAMP: read_value(
        _set_seconds(read_values.timestamp), 'an RFC 3339 time such as "1972-01-01T10:00:20.021Z"'
    ),
    VALUE: _read_json_value,
}
"""What reads the messages of a type, by its full name."""

"""What sets the JSON values of fields in messages, for the strict reader."""

from __future__ import annotations

from collections.abc import Callable
from operator import length_hint
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from .faults import REFUSED, FaultError, IgnoredError, entry, no_object
from .strict_scalars import Convert

Read = Callable[[Any, Any, int], None]
"""Sets a JSON value in a message, in which there may be so many levels of further messages."""
Get = Callable[[Any], Any]
"""Answers what a message has for a field."""
Put = Callable[[Any, Any, Any, int], None]
"""Sets a JSON value in a map, by its key; a level as for `Read`."""

_NO_ELEMENT = "null cannot be an element"


def read_value(set_value: Callable[[Any, Any], None], expected: str) -> Read:
    """Makes what sets a value that is no object or array of messages."""

    def read(message: Any, value: Any, _depth: int) -> None:
        try:
            set_value(message, value)
        except IgnoredError:
            pass
        except REFUSED:
            raise FaultError(f"expected {expected}") from None

    return read


def read_scalar(field: FieldDescriptor, convert: Convert, expected: str) -> Read:
    name = field.name

    def set_field(message: Any, value: Any) -> None:
        setattr(message, name, convert(value))

    def set_extension(message: Any, value: Any) -> None:
        message.Extensions[field] = convert(value)

    return read_value(set_extension if field.is_extension else set_field, expected)


def read_message(get: Get, read_one: Read) -> Read:
    def read(message: Any, value: Any, depth: int) -> None:
        if not depth:
            raise RecursionError
        inner = get(message)
        inner.SetInParent()
        read_one(inner, value, depth - 1)

    return read


def read_messages(get: Get, read_one: Read, *, takes_null: bool) -> Read:
    """Makes what reads an array of messages."""

    def read(message: Any, value: Any, depth: int) -> None:
        elements = _elements(message, value, get)
        if not depth and value:
            raise RecursionError
        add, inner_depth = elements.add, depth - 1
        try:
            for element in value:
                inner = add()
                if element is None and not takes_null:
                    raise FaultError(_NO_ELEMENT)
                read_one(inner, element, inner_depth)
        except FaultError as fault:
            raise fault.inside(f"[{len(elements) - 1}]") from None

    return read


def read_scalars(get: Get, convert: Convert, expected: str, *, takes_arrays: bool) -> Read:
    """Makes what reads an array of scalars.

    Args:
        get: Answers the repeated field.
        convert: What converts an element.
        expected: What it expects.
        takes_arrays: Protobuf takes most elements as they are, and refuses what is none.
    """

    def read(message: Any, value: Any, _depth: int) -> None:
        elements = _elements(message, value, get)
        rest = iter(value)
        try:
            elements.extend(rest if takes_arrays else map(convert, rest))
            return
        except (IgnoredError, *REFUSED):
            # Protobuf has not said which one. A fault is said before all others are converted.
            refused = len(value) - length_hint(rest) - 1
        add_converted(elements, value[refused], refused)
        del elements[:]
        for index, element in enumerate(value):
            add_converted(elements, element, index)

    def add_converted(elements: Any, element: Any, index: int) -> None:
        try:
            elements.append(convert(element))
        except IgnoredError:
            pass
        except REFUSED:
            reason = _NO_ELEMENT if element is None else f"expected {expected}"
            raise FaultError(reason).inside(f"[{index}]") from None

    return read


def _elements(message: Any, value: Any, get: Get) -> Any:
    if value.__class__ is not list:
        raise FaultError("expected an array")
    return get(message)


def read_map(
    get: Get,
    convert_key: Convert | None,
    put: Put,
    levels: int,
    *,
    takes_null: bool,
    expected: str,
    step: Callable[[str], str] = entry,
) -> Read:
    """Makes what reads an object into a map.

    Args:
        get: Answers the map.
        convert_key: What converts a key; None: they are strings.
        put: What sets a value.
        levels: How many levels in the values are.
        takes_null: Null is a value.
        expected: What a key and a value must be.
        step: Makes the step of a path to a value.
    """

    def read(message: Any, value: Any, depth: int) -> None:
        if value.__class__ is not dict:
            raise no_object(value, "expected an object", step)
        if depth < levels and value:
            raise RecursionError
        entries, inner_depth = get(message), depth - levels
        for key, element in value.items():
            try:
                if element is None and not takes_null:
                    raise FaultError(_NO_ELEMENT)
                converted_key: Any = key
                if convert_key is not None:
                    converted_key = convert_key(key)
                    if converted_key in entries:
                        raise FaultError("duplicate key")
                put(entries, converted_key, element, inner_depth)
            except IgnoredError:
                continue
            except FaultError as fault:
                raise fault.inside(step(key)) from None
            except REFUSED:
                raise FaultError(f"expected {expected}").inside(step(key)) from None

    return read

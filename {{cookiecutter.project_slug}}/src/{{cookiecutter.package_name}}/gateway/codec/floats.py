"""Writes `float`s with the fewest digits that read back the same, as protobuf's other runtimes do.

protobuf-py prints a 32-bit 0.1 as the 64-bit 0.10000000149011612.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor
from protobuf import (
    DescField,
    DescFieldValueList,
    DescFieldValueMap,
    DescFieldValueMessage,
    DescFieldValueScalar,
    ScalarType,
)

from .checks import NotNativeError
from .descriptors import ANY, map_entry
from .float32 import shortest
from .schema import Schema

Shortener = Callable[[Any], None]
"""Shortens the floats of one protobuf-py message in place; raises `NotNativeError`."""


class Shorteners:
    """The shorteners of message types, each made when it is first asked for."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._made: dict[str, Shortener] = {}

    def of(self, descriptor: Descriptor) -> Shortener | None:
        """Answers the shortener of a message type, or None where it can contain no float."""
        if descriptor.full_name == ANY:
            return self._check_any
        traits = self._schema.traits(descriptor)
        if not (traits.has_floats or traits.has_any):
            return None
        shortener = self._made.get(descriptor.full_name)
        if shortener is None:
            steps: list[Shortener] = []

            def shorten(message: Any) -> None:
                for step in steps:
                    step(message)

            # Made known before its steps: a message that contains itself finds its own shortener.
            shortener = self._made[descriptor.full_name] = shorten
            for field in self._schema.message_type(descriptor).desc().fields:
                step = _float_step(field) or self._message_step(field, descriptor)
                if step is not None:
                    steps.append(step)
        return shortener

    def _message_step(self, field: DescField, parent: Descriptor) -> Shortener | None:
        declared = parent.fields_by_name[field.name]
        entry = map_entry(declared)
        inner = entry.value.message_type if entry else declared.message_type
        shortener = self.of(inner) if inner else None
        if shortener is None:
            return None
        get = _getter(field)

        def single(message: Any) -> None:
            value = get(message)
            if value is not None:
                shortener(value)

        def repeated(message: Any) -> None:
            for value in get(message):
                shortener(value)

        def entries(message: Any) -> None:
            for value in get(message).values():
                shortener(value)

        if entry:
            return entries
        return repeated if declared.is_repeated else single

    def _check_any(self, message: Any) -> None:
        # What an Any carries is still bytes here, out of reach.
        descriptor = self._schema.find(message.type_url)
        if descriptor is None:
            if message.value:
                raise NotNativeError
        else:
            self._schema.message_type(descriptor)
            traits = self._schema.traits(descriptor)
            if traits.has_floats or traits.has_any or not traits.native:
                raise NotNativeError


def _float_step(field: DescField) -> Shortener | None:
    get = _getter(field)

    def single(message: Any) -> None:
        value = get(message)
        # An unset field reads as its default, which must not become its value.
        if value and (short := shortest(value)) != value and field in message:
            message[field] = short

    def repeated(message: Any) -> None:
        values = get(message)
        values[:] = map(shortest, values)

    def entries(message: Any) -> None:
        values = get(message)
        values.update({key: shortest(value) for key, value in values.items()})

    match field.value:
        case DescFieldValueScalar(scalar=ScalarType.FLOAT):
            return single
        case DescFieldValueList(element=ScalarType.FLOAT):
            return repeated
        case DescFieldValueMap(value=ScalarType.FLOAT):
            return entries
    return None


def _getter(field: DescField) -> Callable[[Any], Any]:
    """Answers what reads a field; it gives None for a member of a oneof that is not the one set."""
    name = field.local_name
    match field.value:
        case DescFieldValueScalar(oneof=oneof) | DescFieldValueMessage(oneof=oneof) if oneof:
            oneof_name, member = oneof.local_name, field.name

            def get_member(message: Any) -> Any:
                choice = getattr(message, oneof_name)
                return choice.value if choice is not None and choice.field == member else None

            return get_member
    return lambda message: getattr(message, name)

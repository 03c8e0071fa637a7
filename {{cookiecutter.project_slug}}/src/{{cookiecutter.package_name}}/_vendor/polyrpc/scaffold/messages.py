"""Messages and enums of a compiled proto, as Python code refers to them."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FeatureSet,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from .sources import RefusedError

DEEP = 20  # levels of required messages in one another


@dataclass(frozen=True)
class MessageType:
    """A message class: its `_pb2` module, its name in it, and its descriptor."""

    module: str
    name: str
    descriptor: DescriptorProto


class Messages:
    """The messages and enums of a descriptor set, by full name."""

    def __init__(self, described: FileDescriptorSet) -> None:
        self._types: dict[str, MessageType] = {}
        self._enum_values: dict[str, tuple[str, str]] = {}
        for file in described.file:
            self._add(file, file.message_type, ())
            self._add_enums(file, file, ())

    def __getitem__(self, name: str) -> MessageType:
        """The message that descriptors call `name`, such as `.orders.v1.Order`."""
        return self._types[name]

    def new(self, message: MessageType, aliases: Mapping[str, str], depth: int = 0) -> str:
        """Return an expression for a message that has what is `required` in it, and no more.

        Args:
            message: Its type.
            aliases: What each module of `modules_of(message)` is called.
            depth: How many messages are around it.

        Raises:
            RefusedError: A required field cannot be given.
        """
        arguments = []
        for field in filter(is_required, message.descriptor.field):
            if keyword.iskeyword(field.name) or depth > DEEP:
                raise RefusedError(f"{message.name}.{field.name} is required, but cannot be given.")
            arguments.append(f"{field.name}={self._value(field, aliases, depth)}")
        return f"{aliases[message.module]}.{message.name}({', '.join(arguments)})"

    def modules_of(self, message: MessageType, depth: int = 0) -> set[str]:
        """Return the modules that `new(message, …)` needs."""
        modules = {message.module}
        for field in filter(is_required, message.descriptor.field):
            if field.type_name in self._enum_values:
                modules.add(self._enum_values[field.type_name][0])
            elif field.type_name and depth <= DEEP:
                modules |= self.modules_of(self[field.type_name], depth + 1)
        return modules

    def _value(self, field: FieldDescriptorProto, aliases: Mapping[str, str], depth: int) -> str:
        if field.type_name in self._enum_values:
            module, value = self._enum_values[field.type_name]
            return f"{aliases[module]}.{value}"
        if field.type_name:
            return self.new(self[field.type_name], aliases, depth + 1)
        kinds = FieldDescriptorProto
        values = {kinds.TYPE_STRING: '""', kinds.TYPE_BYTES: 'b""', kinds.TYPE_BOOL: "False"}
        return values.get(field.type, "0")

    def _add(
        self,
        file: FileDescriptorProto,
        messages: Iterable[DescriptorProto],
        scope: tuple[str, ...],
    ) -> None:
        for message in messages:
            inner = (*scope, message.name)
            self._types[full_name(file, inner)] = MessageType(
                module_of(file.name), ".".join(inner), message
            )
            self._add(file, message.nested_type, inner)
            self._add_enums(file, message, inner)

    def _add_enums(
        self,
        file: FileDescriptorProto,
        holder: FileDescriptorProto | DescriptorProto,
        scope: tuple[str, ...],
    ) -> None:
        for enum in holder.enum_type:
            self._enum_values[full_name(file, (*scope, enum.name))] = (
                module_of(file.name),
                ".".join((*scope, enum.value[0].name)),
            )


def full_name(file: FileDescriptorProto, scope: tuple[str, ...]) -> str:
    """Return a name as fields refer to it."""
    return "".join(f".{part}" for part in (file.package, *scope) if part)


def module_of(proto: str) -> str:
    """Return the Python module that protoc makes of a proto."""
    return proto.removesuffix(".proto").replace("-", "_").replace("/", ".") + "_pb2"


def is_required(field: FieldDescriptorProto) -> bool:
    """Whether a message cannot be sent without the field: in proto2, or in editions."""
    legacy = field.options.features.field_presence == FeatureSet.LEGACY_REQUIRED
    return legacy or field.label == FieldDescriptorProto.LABEL_REQUIRED

"""Messages of a compiled proto, as Python code refers to them."""

from __future__ import annotations

import keyword
from collections.abc import Mapping

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from .sources import RefusedError

DEEP = 20  # levels of required messages in one another


def module_of(proto: str) -> str:
    """Return the Python module that protoc makes of a proto."""
    return proto.removesuffix(".proto").replace("-", "_").replace("/", ".") + "_pb2"


def stubs_of(described: Descriptor | EnumDescriptor) -> str:
    """Return the module that has the class of a message or an enum."""
    return module_of(described.file.name)


def class_of(message: Descriptor) -> str:
    """Return what the class of a message is called in its module."""
    package = message.file.package
    return message.full_name.removeprefix(f"{package}." if package else "")


def new(message: Descriptor, aliases: Mapping[str, str], depth: int = 0) -> str:
    """Return an expression for a message that has what is `required` in it, and no more.

    Args:
        message: Its type.
        aliases: What each module of `modules_of(message)` is called.
        depth: How many messages are around it.

    Raises:
        RefusedError: A required field cannot be given.
    """
    arguments = []
    for field in message.fields:
        if field.is_required:
            if keyword.iskeyword(field.name) or depth > DEEP:
                raise RefusedError(
                    f"{class_of(message)}.{field.name} is required, but cannot be given."
                )
            arguments.append(f"{field.name}={_value(field, aliases, depth)}")
    return f"{aliases[stubs_of(message)]}.{class_of(message)}({', '.join(arguments)})"


def modules_of(message: Descriptor, depth: int = 0) -> set[str]:
    """Return the modules that `new(message, …)` needs."""
    modules = {stubs_of(message)}
    for field in message.fields:
        if field.is_required and field.enum_type is not None:
            modules.add(stubs_of(field.enum_type))
        elif field.is_required and field.message_type is not None and depth <= DEEP:
            modules |= modules_of(field.message_type, depth + 1)
    return modules


def _value(field: FieldDescriptor, aliases: Mapping[str, str], depth: int) -> str:
    if field.message_type is not None:
        return new(field.message_type, aliases, depth + 1)
    enum = field.enum_type
    if enum is not None:
        # The values of an enum stand beside it.
        holder = f"{class_of(enum.containing_type)}." if enum.containing_type else ""
        return f"{aliases[stubs_of(enum)]}.{holder}{enum.values[0].name}"
    kinds = FieldDescriptor
    values = {kinds.TYPE_STRING: '""', kinds.TYPE_BYTES: 'b""', kinds.TYPE_BOOL: "False"}
    return values.get(field.type, "0")

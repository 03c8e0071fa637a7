"""How the strict reader reads the JSON objects of messages that have no form of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from .descriptors import is_null_value, other_names, real_oneofs
from .faults import REFUSED, FaultError, IgnoredError, member, no_object, shown
from .json_parser import RepeatedKey
from .strict_fields import Read
from .strict_scalars import Convert

Field = tuple[str, Convert | None, type | None, Read, bool, str | None]
"""How to read a field; not a named tuple: that takes twice as long to take apart.

Its name; for a single scalar what converts it, and the class of values that need no conversion, so
that most are set without a further call; what reads any other; whether null is a value of it, not
its absence; for the key that is its name in the `.proto` file, the one that it should have.
"""


class MessageReader:
    """Reads the JSON objects of one message type.

    Args:
        descriptor: The type.
        read_field: Answers how to read one of its fields, or an extension.
        ignores_unknown_fields: Drop them.
    """

    def __init__(
        self,
        descriptor: Descriptor,
        read_field: Callable[[FieldDescriptor], Field],
        *,
        ignores_unknown_fields: bool,
    ) -> None:
        self._descriptor = descriptor
        self._read_field = read_field
        self._ignores_unknown_fields = ignores_unknown_fields
        self._fields: dict[str, Field] = {}
        self._oneofs = [
            (
                oneof.name,
                {
                    key: is_null_value(field)
                    for field in oneof.fields
                    for key in (field.json_name, field.name)
                },
            )
            for oneof in real_oneofs(descriptor)
        ]

    def add_fields(self) -> None:
        """Finds out how to read the fields, which may hold messages of this same type."""
        for field in self._descriptor.fields:
            self._fields[field.json_name] = self._read_field(field)
        for name, json_name in other_names(self._descriptor).items():
            self._fields[name] = (*self._fields[json_name][:-1], json_name)

    def read(self, message: Any, tree: Any, depth: int) -> None:
        """Sets the values of an object in a message; it follows `Read`."""
        if tree.__class__ is not dict:
            raise no_object(tree, "expected an object")
        fields = self._fields
        for key, value in tree.items():
            field = fields.get(key) or self._unknown_field(key, value)
            if field is None:
                continue
            name, convert, plain, read, takes_null, json_name = field
            if json_name is not None and json_name in tree:
                first, other = (each for each in tree if each in (key, json_name))
                refusal = FaultError(f"duplicate key, {shown(other)} names the same field")
                raise refusal.inside(member(first))
            if value is None and not takes_null:
                continue
            if convert is not None:
                try:
                    setattr(message, name, value if value.__class__ is plain else convert(value))
                    continue
                except (IgnoredError, *REFUSED):
                    pass  # `read` comes to the same, and says why.
            try:
                read(message, value, depth)
            except FaultError as fault:
                raise fault.inside(member(key)) from None
        for name, members in self._oneofs:
            found = [
                key
                for key, takes_null in members.items()
                if key in tree and (tree[key] is not None or takes_null)
            ]
            if len(found) > 1:
                raise FaultError(f"{' and '.join(found)} exclude each other (oneof {name})")

    def _unknown_field(self, key: str, value: Any) -> Field | None:
        """Answers the extension that a key names, or None if its value is ignored."""
        extension = self._extension(key)
        if extension is None:
            if not self._ignores_unknown_fields:
                refusal = FaultError(f"{self._descriptor.full_name} has no such field")
                raise refusal.inside(member(key))
            ignore(value)
        return extension

    def _extension(self, key: str) -> Field | None:
        if not (self._descriptor.is_extendable and key[:1] == "[" and key[-1:] == "]"):
            return None
        try:
            field = descriptor_pool.Default().FindExtensionByName(key[1:-1])
        except (KeyError, ValueError):
            return None
        extended = field.containing_type
        if extended is None or extended.full_name != self._descriptor.full_name:
            return None
        made = self._fields[key] = self._read_field(field)
        return made


def ignore(value: Any) -> None:
    """Passes over what is in unknown fields, where keys may not be repeated either."""
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, RepeatedKey):
            raise no_object(value, "")
        if value.__class__ is dict:
            pending += value.values()
        elif value.__class__ is list:
            pending += value

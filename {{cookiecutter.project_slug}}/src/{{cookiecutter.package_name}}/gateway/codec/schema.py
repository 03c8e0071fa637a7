"""The codec's protobuf-py types, made from the descriptors of the generated modules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from protobuf import Message, Registry
from protobuf.wkt import FileDescriptorSet

from .descriptors import ANY, closure, map_entry, real_oneofs

_HAS_RUST_CORE = find_spec("protobuf_ext") is not None


@dataclass(frozen=True, slots=True)
class Traits:
    """What a message type can contain, at any depth (what an `Any` carries does not count).

    Attributes:
        native: protobuf-py handles it as `json_format` does. Extensions are not its business here,
            since modules that are imported later may add some, nor are required fields, which it
            does not enforce.
        has_any: It can contain a `google.protobuf.Any`.
        has_floats: It can contain a `float`.
        has_oneofs: It can contain a message with a `oneof`, not counting well-known types.
        nests_maps: It can contain itself by way of a map, as `google.protobuf.Struct` does. Wire
            nesting is then deeper than protobuf-py counts.
    """

    native: bool
    has_any: bool
    has_floats: bool
    has_oneofs: bool
    nests_maps: bool


class Schema:
    """The protobuf-py types of the messages that a codec has met, and what they can contain."""

    def __init__(self) -> None:
        self.registry = Registry()
        self._traits: dict[str, Traits] = {}

    def message_type(self, descriptor: Descriptor) -> type[Message]:
        """Answers the protobuf-py type of a message; makes its whole file's types if need be."""
        found = self.registry.message(descriptor.full_name)
        if found is None:
            self.registry.add(_descriptor_set(descriptor.file).to_registry())
            found = self.registry.message(descriptor.full_name)
            if found is None:
                raise LookupError(f"{descriptor.file.name} does not hold {descriptor.full_name}")
        return found.type

    def traits(self, descriptor: Descriptor) -> Traits:
        """Answers what a message type can contain."""
        traits = self._traits.get(descriptor.full_name)
        if traits is None:
            traits = self._traits[descriptor.full_name] = _traits_of(descriptor)
        return traits

    def find(self, type_url: object) -> Descriptor | None:
        """Answers the message type that an `Any` names, if an imported module defines it."""
        if not isinstance(type_url, str):
            return None
        try:
            return descriptor_pool.Default().FindMessageTypeByName(type_url.rpartition("/")[2])
        except KeyError:
            return None

    def learn(self, tree: Any) -> bool:
        """Makes the types that `@type` keys anywhere in `tree` name; answers if all are native."""
        native = True
        pending = [tree]
        while pending:
            node = pending.pop()
            if isinstance(node, dict):
                pending += node.values()
                descriptor = self.find(node.get("@type"))
                if descriptor is not None:
                    self.message_type(descriptor)
                    native = native and self.traits(descriptor).native
            elif isinstance(node, list):
                pending += node
        return native


def _traits_of(descriptor: Descriptor) -> Traits:
    messages = list(closure(descriptor).values())
    fields = [field for message in messages for field in message.fields]
    return Traits(
        native=_HAS_RUST_CORE
        and not any(message.is_extendable for message in messages)
        and not any(field.is_required for field in fields),
        has_any=any(message.full_name == ANY for message in messages),
        has_floats=any(field.type == FieldDescriptor.TYPE_FLOAT for field in fields),
        has_oneofs=any(real_oneofs(message) for message in messages),
        nests_maps=any(
            message.full_name in closure(entry.value.message_type)
            for message in messages
            for field in message.fields
            if (entry := map_entry(field)) and entry.value.message_type
        ),
    )


def _descriptor_set(file: FileDescriptor) -> FileDescriptorSet:
    files: dict[str, FileDescriptor] = {}
    _collect(file, files)
    protos = descriptor_pb2.FileDescriptorSet()
    for each in files.values():
        proto = protos.file.add()
        proto.ParseFromString(each.serialized_pb)
        # protobuf-py takes the name of any extension that it knows for a field of every message.
        # Messages that do have extensions are not its business; see `Traits.native`.
        proto.ClearField("extension")
        _name_fields(proto.message_type, each.message_types_by_name)
    return FileDescriptorSet.from_binary(protos.SerializeToString())


def _collect(file: FileDescriptor, files: dict[str, FileDescriptor]) -> None:
    if file.name not in files:
        for dependency in file.dependencies:
            _collect(dependency, files)
        files[file.name] = file


def _name_fields(
    protos: Iterable[descriptor_pb2.DescriptorProto], descriptors: Mapping[str, Descriptor]
) -> None:
    # The descriptors inside generated modules come without json_name.
    for proto in protos:
        descriptor = descriptors[proto.name]
        for field in proto.field:
            field.json_name = descriptor.fields_by_name[field.name].json_name
        proto.ClearField("extension")
        _name_fields(proto.nested_type, descriptor.nested_types_by_name)

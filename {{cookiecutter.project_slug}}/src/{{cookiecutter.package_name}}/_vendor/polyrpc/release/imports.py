"""What the protos of a contract import, and which of that their stubs can do without."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from ..scaffold.sources import pool_of


def with_imports(described: FileDescriptorSet, names: Iterable[str]) -> set[str]:
    """Return protos with all that they import."""
    imports = {file.name: file.dependency for file in described.file}
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += imports[name]
    return found


def without_rules(described: FileDescriptorSet, names: Iterable[str]) -> FileDescriptorSet:
    """Return a copy in which nobody imports one of `names` for nothing but options.

    The options themselves stay in it, as on the wire: there, protovalidate reads its rules.
    """
    pool = pool_of(described)
    lean = FileDescriptorSet.FromString(described.SerializeToString())
    for file in lean.file:
        used = {one.name for one in _used(pool.FindFileByName(file.name))}
        public = {file.dependency[index] for index in file.public_dependency}
        weak = {file.dependency[index] for index in file.weak_dependency}
        kept = [
            name
            for name in file.dependency
            if name not in names
            or name in public
            or used & _seen_through(pool.FindFileByName(name))
        ]
        if len(kept) < len(file.dependency):
            file.dependency[:] = kept
            file.public_dependency[:] = [kept.index(name) for name in kept if name in public]
            file.weak_dependency[:] = [kept.index(name) for name in kept if name in weak]
    return lean


def _seen_through(file: FileDescriptor) -> set[str]:
    """The files whose types whoever imports a file may use."""
    return {file.name}.union(*map(_seen_through, file.public_dependencies))


def _used(file: FileDescriptor) -> Iterator[FileDescriptor]:
    """The files whose types a file refers to; options refer to none."""
    fields = list(file.extensions_by_name.values())
    messages = list(file.message_types_by_name.values())
    while messages:
        message = messages.pop()
        messages += message.nested_types
        fields += [*message.fields, *message.extensions]
    for field in fields:
        for one in (field.message_type, field.enum_type, field.containing_type):
            if one is not None:
                yield one.file
    for service in file.services_by_name.values():
        for method in service.methods:
            yield from (method.input_type.file, method.output_type.file)

"""What the protos of a contract import, and which of that their stubs can do without."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet


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
    lean = FileDescriptorSet.FromString(described.SerializeToString())
    files = {file.name: file for file in described.file}
    types = {name: set(_types(file)) for name, file in files.items()}
    for file in lean.file:
        used = set(_used(file))
        public = {file.dependency[index] for index in file.public_dependency}
        weak = {file.dependency[index] for index in file.weak_dependency}
        kept = [
            name
            for name in file.dependency
            if name not in names
            or name in public
            or any(types[one] & used for one in _seen_through(name, files))
        ]
        if len(kept) < len(file.dependency):
            file.dependency[:] = kept
            file.public_dependency[:] = [kept.index(name) for name in kept if name in public]
            file.weak_dependency[:] = [kept.index(name) for name in kept if name in weak]
    return lean


def _seen_through(name: str, files: dict[str, FileDescriptorProto]) -> Iterator[str]:
    """The files whose types whoever imports `name` may use."""
    yield name
    for index in files[name].public_dependency:
        yield from _seen_through(files[name].dependency[index], files)


def _types(file: FileDescriptorProto) -> Iterator[str]:
    """The full names of what a file declares, as references have them."""
    prefix = f".{file.package}" if file.package else ""
    yield from (f"{prefix}.{enum.name}" for enum in file.enum_type)
    for message in file.message_type:
        yield from _types_of(message, prefix)


def _types_of(message: DescriptorProto, prefix: str) -> Iterator[str]:
    yield f"{prefix}.{message.name}"
    yield from (f"{prefix}.{message.name}.{enum.name}" for enum in message.enum_type)
    for nested in message.nested_type:
        yield from _types_of(nested, f"{prefix}.{message.name}")


def _used(file: FileDescriptorProto) -> Iterator[str]:
    """The full names of the types that a file refers to; options refer to none."""
    messages = list(file.message_type)
    while messages:
        message = messages.pop()
        messages += message.nested_type
        for field in (*message.field, *message.extension):
            yield from (field.type_name, field.extendee)
    for field in file.extension:
        yield from (field.type_name, field.extendee)
    for service in file.service:
        for method in service.method:
            yield from (method.input_type, method.output_type)

"""Writes `buf/validate/validate.proto`, printed from the descriptor that protovalidate carries.

A team copies the file from github.com/bufbuild/protovalidate. Rules' own options are left out:
protovalidate has them compiled in.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

LABELS = {1: "optional", 2: "required", 3: "repeated"}


def printed(file: FileDescriptorProto) -> str:
    """Print a file of syntax proto2 without groups and without options, but for Go's package."""
    return "\n".join(
        [
            'syntax = "proto2";',
            f"package {file.package};",
            f'option go_package = "{file.options.go_package}";',
            *(f'import "{name}";' for name in file.dependency),
            *_extensions(file.extension),
            *(line for enum in file.enum_type for line in _enum(enum)),
            *(line for message in file.message_type for line in _message(message)),
            "",
        ]
    )


def _message(message: DescriptorProto) -> Iterator[str]:
    yield f"message {message.name} {{"
    for nested in message.nested_type:
        assert not nested.options.map_entry
        yield from _message(nested)
    for enum in message.enum_type:
        yield from _enum(enum)
    for index, fields in groupby(message.field, _oneof):
        if index is not None:
            yield f"oneof {message.oneof_decl[index].name} {{"
        for field in fields:
            yield _field(field, "" if index is not None else LABELS[field.label])
        if index is not None:
            yield "}"
    for numbers in message.extension_range:
        yield f"extensions {numbers.start} to {numbers.end - 1};"
    yield from _extensions(message.extension)
    yield "}"


def _oneof(field: FieldDescriptorProto) -> int | None:
    return field.oneof_index if field.HasField("oneof_index") else None


def _extensions(extensions: Iterable[FieldDescriptorProto]) -> Iterator[str]:
    for field in extensions:
        yield f"extend {field.extendee} {{ {_field(field, LABELS[field.label])} }}"


def _field(field: FieldDescriptorProto, label: str) -> str:
    kind = field.type_name or field.Type.Name(field.type).removeprefix("TYPE_").lower()
    return f"{label} {kind} {field.name} = {field.number};"


def _enum(enum: EnumDescriptorProto) -> Iterator[str]:
    yield f"enum {enum.name} {{"
    if enum.options.allow_alias:
        yield "option allow_alias = true;"
    yield from (f"{value.name} = {value.number};" for value in enum.value)
    yield "}"


if __name__ == "__main__":
    from protovalidate._gen.buf.validate import validate_pb

    described = FileDescriptorProto.FromString(validate_pb.desc().proto.to_binary())
    Path(sys.argv[1]).write_text(printed(described), encoding="utf-8")

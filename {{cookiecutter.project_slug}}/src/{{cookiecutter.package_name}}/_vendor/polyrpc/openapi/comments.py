"""The comments of `.proto` files, by the full name of what they stand before or behind."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

_Path = tuple[int, ...]

# What is meant for those who write protos: internal comments of AIP-192, and what buf is told.
_INTERNAL = re.compile(
    r"[ \t]*\(--.*?--\)|^[ \t]*buf:lint:ignore\b[^\n]*$", re.DOTALL | re.MULTILINE
)
_BLANK_LINES = re.compile(r"(?:[ \t]*\n){3,}")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s")


@lru_cache(maxsize=8)
def comments_of(descriptor_set: bytes) -> Mapping[str, str]:
    """Return the comments of a set that `protoc --include_source_info` wrote.

    What has a comment before it has that one, anything else the one behind it, which of a message
    or service is behind its opening brace. Internal comments, `(-- … --)`, are left out.

    Args:
        descriptor_set: A serialized `google.protobuf.FileDescriptorSet`.

    Returns:
        A comment for each commented message, field, oneof, enum, service and RPC by its full
        name. The value of an enum is named `{enum's full name}.{value}`.

    Raises:
        google.protobuf.message.DecodeError: These bytes are no descriptor set.
    """
    comments: dict[str, str] = {}
    for file in FileDescriptorSet.FromString(descriptor_set).file:
        written = {
            tuple(location.path): text
            for location in file.source_code_info.location
            if (text := _text(location.leading_comments) or _text(location.trailing_comments))
        }
        comments.update((name, written[path]) for path, name in _names(file) if path in written)
    return comments


def summary_of(comment: str) -> str:
    """Return the first sentence of a comment, without its full stop."""
    first_paragraph = " ".join(comment.split("\n\n", 1)[0].split())
    return _SENTENCE_END.split(first_paragraph, maxsplit=1)[0].removesuffix(".")


def _text(comment: str) -> str:
    public = _INTERNAL.sub("", inspect.cleandoc(comment))
    return _BLANK_LINES.sub("\n\n", public).strip()


# The numbers in the paths below are the field numbers of google/protobuf/descriptor.proto, as the
# comment on SourceCodeInfo.Location there asks.


def _names(file: FileDescriptorProto) -> Iterator[tuple[_Path, str]]:
    scope = f"{file.package}." if file.package else ""
    yield from _message_names((4,), scope, file.message_type)
    yield from _enum_names((5,), scope, file.enum_type)
    for path, name, service in _numbered((6,), scope, file.service):
        yield path, name
        yield from _leaf_names((*path, 2), f"{name}.", service.method)


def _message_names(
    path: _Path, scope: str, messages: Iterable[DescriptorProto]
) -> Iterator[tuple[_Path, str]]:
    for message_path, name, message in _numbered(path, scope, messages):
        inner = f"{name}."
        yield message_path, name
        yield from _leaf_names((*message_path, 2), inner, message.field)
        yield from _leaf_names((*message_path, 8), inner, message.oneof_decl)
        yield from _message_names((*message_path, 3), inner, message.nested_type)
        yield from _enum_names((*message_path, 4), inner, message.enum_type)


def _enum_names(
    path: _Path, scope: str, enums: Iterable[EnumDescriptorProto]
) -> Iterator[tuple[_Path, str]]:
    for enum_path, name, enum in _numbered(path, scope, enums):
        yield enum_path, name
        yield from _leaf_names((*enum_path, 2), f"{name}.", enum.value)


def _leaf_names(path: _Path, scope: str, elements: Iterable[Any]) -> Iterator[tuple[_Path, str]]:
    for element_path, name, _ in _numbered(path, scope, elements):
        yield element_path, name


def _numbered(path: _Path, scope: str, elements: Iterable[Any]) -> Iterator[tuple[_Path, str, Any]]:
    for index, element in enumerate(elements):
        yield (*path, index), scope + element.name, element

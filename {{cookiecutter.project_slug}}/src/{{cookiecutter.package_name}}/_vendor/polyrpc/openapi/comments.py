"""The comments of `.proto` files, by the full name of what they stand before or behind."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

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
        for location in file.source_code_info.location:
            text = _text(location.leading_comments) or _text(location.trailing_comments)
            if text and (name := _name_at(file, location.path)):
                comments[name] = text
    return comments


def summary_of(comment: str) -> str:
    """Return the first sentence of a comment, without its full stop."""
    first_paragraph = " ".join(comment.split("\n\n", 1)[0].split())
    return _SENTENCE_END.split(first_paragraph, maxsplit=1)[0].removesuffix(".")


def _text(comment: str) -> str:
    public = _INTERNAL.sub("", inspect.cleandoc(comment))
    return _BLANK_LINES.sub("\n\n", public).strip()


def _name_at(file: FileDescriptorProto, path: Sequence[int]) -> str | None:
    """Return the full name of what is at a path, as `SourceCodeInfo.Location` has it.

    That is pairs of a field in descriptor.proto and a place in it; None: nothing there has a name.
    """
    element: Any = file
    names = [file.package] if file.package else []
    if len(path) % 2:
        return None
    for number, place in zip(path[::2], path[1::2], strict=True):
        field = element.DESCRIPTOR.fields_by_number.get(number)
        message = field and field.is_repeated and field.message_type
        if not message or "name" not in message.fields_by_name:
            return None
        element = getattr(element, field.name)[place]
        names.append(element.name)
    return ".".join(names)

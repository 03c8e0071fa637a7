"""Canonical proto3 JSON <-> protobuf (https://protobuf.dev/programming-guides/json/).

Functions compiled for one message type each (`compiled_reader`, `compiled_writer`) do the work.
Those that read are quick, and give up where a type or a text is anything but plain. `strict_reader`
takes what they give up: it is the one that knows what is right, and says what is wrong.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from orjson import JSONDecodeError

from .compiled_reader import CompiledReaders
from .compiled_writer import CompiledWriters
from .descriptors import is_covered, may_lack_fields
from .errors import JsonError, one_line
from .strict_reader import StrictReaders
from .style import CANONICAL_STYLE, JsonStyle

AnyMessage = TypeVar("AnyMessage", bound=Message)

_LONG_BYTES = 32 * 1024
"""Of a JSON text: so much makes many objects."""


class JsonCodec:
    """Canonical proto3 JSON <-> protobuf, for messages of the default descriptor pool.

    An `Any` can carry every message type that an imported module defines at the time of the call.
    What the conversions of a type need is made when the first of them is called.

    Args:
        style: How messages are written.
        ignore_unknown_fields: Accept and drop unknown fields, and unknown names of enum values.
    """

    def __init__(
        self, style: JsonStyle = CANONICAL_STYLE, *, ignore_unknown_fields: bool = False
    ) -> None:
        self.style = style
        self.ignore_unknown_fields = ignore_unknown_fields
        self._readers = CompiledReaders()
        self._strict = StrictReaders(ignore_unknown_fields=ignore_unknown_fields)
        self._writers = CompiledWriters(style)

    def message_decoder(self, message_class: type[AnyMessage]) -> Callable[[bytes], AnyMessage]:
        """Makes the function that turns JSON text into a message.

        No text, or white space alone, is the empty message. The function raises `JsonError`.
        """
        descriptor: Any = message_class.DESCRIPTOR
        covered = is_covered(descriptor)
        # However long its text, it makes few objects.
        is_flat = not any(each.is_repeated or each.message_type for each in descriptor.fields)
        read: Callable[[bytes], AnyMessage] | None = None
        read_strictly: Callable[[bytes, int | None], AnyMessage] | None = None

        def decode(text: bytes) -> AnyMessage:
            nonlocal read
            try:
                if read is None:
                    read = self._readers.of(message_class)
                if is_flat or len(text) < _LONG_BYTES:
                    return read(text)
                return _read_long(read, text)
            except JSONDecodeError as error:
                refused_at = error.pos
            except Exception:  # of any kind; what is wrong is for the other to say
                refused_at = None
            # Not in there: until it is left, the exception holds all that has been parsed.
            return decode_strictly(text, refused_at)

        def decode_strictly(text: bytes, refused_at: int | None = None) -> AnyMessage:
            nonlocal read_strictly
            if read_strictly is None:
                read_strictly = self._strict.of(message_class)
            return read_strictly(text, refused_at)

        return decode if covered else decode_strictly

    def message_encoder(self, message_class: type[AnyMessage]) -> Callable[[AnyMessage], bytes]:
        """Makes the function that turns a message into JSON text.

        The text is compact UTF-8 without a newline. The function raises `JsonError` where a message
        has no JSON form: an `Any` of an unknown type, a time out of range, a `Value` of NaN. What
        is no message of the class is printed as that reads it, or raises what `SerializeToString`
        of the class raises for it, as does one that lacks a required field.
        """
        descriptor: Any = message_class.DESCRIPTOR
        return self._encoder(message_class, partial(self._writers.of, descriptor))

    def field_encoder(self, field: FieldDescriptor) -> Callable[[Any], bytes]:
        """Makes the function that turns one field of a message into JSON text.

        A field that has presence, and is not set, is null. It raises as that of `message_encoder`.
        """
        descriptor: Any = field.containing_type
        message_class: type[Any] = GetMessageClass(descriptor)
        return self._encoder(message_class, partial(self._writers.of_field, field))

    def _encoder(
        self, message_class: type[AnyMessage], make: Callable[[], Callable[[Message], bytes]]
    ) -> Callable[[AnyMessage], bytes]:
        descriptor: Any = message_class.DESCRIPTOR
        serialize, parse = message_class.SerializeToString, message_class.FromString
        unchecked = None if may_lack_fields(descriptor) else message_class
        write: Callable[[Message], bytes] | None = None

        def encode(message: AnyMessage) -> bytes:
            nonlocal write
            if message.__class__ is not unchecked:
                message = parse(serialize(message))
            try:
                if write is None:
                    write = make()
                return write(message)
            except Exception as error:
                raise _without_form(descriptor, error) from None

        return encode


def _read_long(read: Callable[[bytes], AnyMessage], text: bytes) -> AnyMessage:
    """Reads a text without the garbage collector.

    What is parsed makes it look for garbage, again and again, and now and then among all objects of
    the process; but none of it refers to itself, and all of it has gone when the message is made.
    """
    if not gc.isenabled():
        return read(text)
    gc.disable()
    try:
        return read(text)
    finally:
        gc.enable()


def _without_form(descriptor: Descriptor, error: Exception) -> JsonError:
    reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    return JsonError(one_line(f"{descriptor.full_name} has no JSON form: {reason}"))

"""Canonical proto3 JSON <-> protobuf (https://protobuf.dev/programming-guides/json/).

There are two ways. Functions compiled for one message type each (`readers`, `writers`) are quick,
and give up where a type, a text or a message holds anything that is not plain. `thorough` takes
what they give up, and the types for which it is faster (`worth`); it is the one that knows what is
right and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from .coverage import is_covered
from .readers import CompiledReaders
from .worth import READING, WRITING, Costs, is_worth_it
from .writers import CompiledWriters

if TYPE_CHECKING:
    from .thorough import ThoroughCodec

AnyMessage = TypeVar("AnyMessage", bound=Message)
Convert = Callable[[bytes], bytes]


class JsonCodec:
    """Canonical proto3 JSON <-> protobuf, for messages of the default descriptor pool.

    An `Any` can carry every message type that an imported module defines at the time of the call.
    What the conversions of a type need is made when the first of them is called.

    Args:
        preserving_proto_field_name: Print the field names of the `.proto` file, not lowerCamelCase.
        always_print_fields_with_no_presence: Print empty fields too, but for those with presence.
        ignore_unknown_fields: Accept and drop unknown fields, and unknown names of enum values.
    """

    def __init__(
        self,
        *,
        preserving_proto_field_name: bool = False,
        always_print_fields_with_no_presence: bool = True,
        ignore_unknown_fields: bool = False,
    ) -> None:
        self._options = {
            "preserving_proto_field_name": preserving_proto_field_name,
            "always_print_fields_with_no_presence": always_print_fields_with_no_presence,
            "ignore_unknown_fields": ignore_unknown_fields,
        }
        self._readers = CompiledReaders()
        self._writers = CompiledWriters(
            preserving_proto_field_name=preserving_proto_field_name,
            always_print_fields_with_no_presence=always_print_fields_with_no_presence,
        )

    @cached_property
    def _thorough(self) -> ThoroughCodec:
        # Its libraries take a tenth of the time that a service needs to start, and few calls of it.
        from .thorough import ThoroughCodec

        return ThoroughCodec(**self._options)

    def decoder(self, descriptor: Descriptor) -> Convert:
        """Makes the function that turns JSON text into the wire format of one message type.

        No text, or white space alone, is the empty message. The function raises `JsonError`.
        """
        thorough = _made_late(lambda: self._thorough.decoder(descriptor))
        if not _is_compiled(descriptor, READING):
            return thorough
        message_class = GetMessageClass(descriptor)
        read: Callable[[bytes], Message] | None = None

        def decode(text: bytes) -> bytes:
            nonlocal read
            try:
                if read is None:
                    read = self._readers.of(message_class)
                return read(text).SerializeToString()
            except Exception:
                return thorough(text)

        return decode

    def message_decoder(self, message_class: type[AnyMessage]) -> Callable[[bytes], AnyMessage]:
        """Makes the function that turns JSON text into a message, as `decoder` says."""
        descriptor: Any = message_class.DESCRIPTOR
        thorough = _made_late(lambda: self._thorough.decoder(descriptor))
        parse = message_class.FromString
        if not _is_compiled(descriptor, READING):
            return lambda text: parse(thorough(text))
        read: Callable[[bytes], AnyMessage] | None = None

        def decode(text: bytes) -> AnyMessage:
            nonlocal read
            try:
                if read is None:
                    read = self._readers.of(message_class)
                return read(text)
            except Exception:
                return parse(thorough(text))

        return decode

    def encoder(self, descriptor: Descriptor) -> Convert:
        """Makes the function that turns wire format into JSON text, for one message type.

        The text is compact UTF-8 without a newline. The function raises `JsonError` where a message
        has no JSON form: an `Any` of an unknown type, a time out of range, a `Value` of NaN.
        """
        thorough = _made_late(lambda: self._thorough.encoder(descriptor))
        if not _is_compiled(descriptor, WRITING):
            return thorough
        parse = GetMessageClass(descriptor).FromString
        write: Callable[[Message], bytes] | None = None

        def encode(wire: bytes) -> bytes:
            nonlocal write
            try:
                if write is None:
                    write = self._writers.of(descriptor)
                return write(parse(wire))
            except Exception:
                return thorough(wire)

        return encode

    def message_encoder(self, message_class: type[AnyMessage]) -> Callable[[AnyMessage], bytes]:
        """Makes the function that turns a message into JSON text, as `encoder` says.

        What is no message of the class raises what `SerializeToString` of the class raises for it.
        """
        descriptor: Any = message_class.DESCRIPTOR
        serialize, encode_wire = message_class.SerializeToString, self.encoder(descriptor)
        if not _is_compiled(descriptor, WRITING):
            return lambda message: encode_wire(serialize(message))
        thorough = _made_late(lambda: self._thorough.encoder(descriptor))
        write: Callable[[Message], bytes] | None = None

        def encode(message: AnyMessage) -> bytes:
            nonlocal write
            if message.__class__ is message_class:
                try:
                    if write is None:
                        write = self._writers.of(descriptor)
                    return write(message)
                except Exception:
                    return thorough(serialize(message))
            return encode_wire(serialize(message))

        return encode


def _made_late(make: Callable[[], Convert]) -> Convert:
    made: Convert | None = None

    def convert(data: bytes) -> bytes:
        nonlocal made
        if made is None:
            made = make()
        return made(data)

    return convert


def _is_compiled(descriptor: Descriptor, costs: Costs) -> bool:
    return is_covered(descriptor) and is_worth_it(descriptor, costs)

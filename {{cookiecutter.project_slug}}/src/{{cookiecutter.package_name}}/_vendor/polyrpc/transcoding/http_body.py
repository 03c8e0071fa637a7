"""The `body` and `response_body` of a `google.api.http` rule: bodies as messages and back.

Where `google/api/http.proto` leaves a choice:

- A rule without `body` takes an empty body or `{}`: another one is refused, as its content would
  be lost; a codec that ignores unknown fields has it ignored.
- An empty body, or only white space, leaves the field that it is mapped to unset; so does `null`.
- A `response_body` field that is unset is `null` if it has presence, its default otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from ..protojson import JsonCodec, JsonError
from ..protojson.json_parser import parse

Decode = Callable[[bytes], Message]
Encode = Callable[[Any], bytes]

_WHITE_SPACE = b" \t\r\n"
_LENGTH_DELIMITED = 2
_TOO_DEEP = "the request body is nested too deeply"


def body_decoder(descriptor: Descriptor, body: str, codec: JsonCodec) -> Decode:
    """Return what turns an HTTP body into a request message, and raises `JsonError`.

    The rule's `body` is empty, `*` or the name of a field that there is.
    """
    if body == "*":
        return codec.message_decoder(GetMessageClass(descriptor))
    if not body:
        return _nothing_decoder(descriptor, refuse=not codec.ignore_unknown_fields)
    field = descriptor.fields_by_name[body]
    message = field.message_type
    is_one = field.type == field.TYPE_MESSAGE and not field.is_repeated
    # Those of `google.protobuf` are no objects with their fields as members.
    if message is None or not is_one or message.file.package == "google.protobuf":
        return _value_decoder(descriptor, field, codec)
    return _message_decoder(descriptor, field, codec.message_decoder(GetMessageClass(message)))


def body_encoder(descriptor: Descriptor, response_body: str, codec: JsonCodec) -> Encode:
    """Return what turns a response message into the JSON text of the HTTP body.

    The rule's `response_body` is empty or the name of a field that there is.
    """
    if not response_body:
        return codec.message_encoder(GetMessageClass(descriptor))
    return codec.field_encoder(descriptor.fields_by_name[response_body])


def _nothing_decoder(descriptor: Descriptor, *, refuse: bool) -> Decode:
    message_class: type[Message] = GetMessageClass(descriptor)

    def decode(content: bytes) -> Message:
        if refuse and b"".join(content.split()) not in (b"", b"{}"):
            raise JsonError("no request body is expected")
        return message_class()

    return decode


def _message_decoder(
    descriptor: Descriptor, field: FieldDescriptor, decode_message: Decode
) -> Decode:
    message_class: type[Message] = GetMessageClass(descriptor)
    tag = _varint(field.number << 3 | _LENGTH_DELIMITED)

    def decode(content: bytes) -> Message:
        if content.strip(_WHITE_SPACE) in (b"", b"null"):
            return message_class()
        wire = decode_message(content).SerializePartialToString()
        try:
            return message_class.FromString(tag + _varint(len(wire)) + wire)
        except DecodeError:
            raise JsonError(_TOO_DEEP) from None

    return decode


def _value_decoder(descriptor: Descriptor, field: FieldDescriptor, codec: JsonCodec) -> Decode:
    """Read the body as the value of a member in an object of the request message."""
    message_class: type[Message] = GetMessageClass(descriptor)
    decode_message = codec.message_decoder(message_class)
    prefix = f"{{{json.dumps(field.json_name)}:".encode()

    def decode(content: bytes) -> Message:
        if not content.strip(_WHITE_SPACE):
            return message_class()
        # Without this, `1, "other": 2` would set another field too.
        try:
            parse(content)
        except RecursionError:
            raise JsonError(_TOO_DEEP) from None
        return decode_message(b"".join((prefix, content, b"}")))

    return decode


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)

"""The `body` and `response_body` of a `google.api.http` rule: bodies as messages and back.

Where `google/api/http.proto` leaves a choice:

- A rule without `body` takes no body: one that is sent is refused, as its content would be lost;
  with `ignore_unknown_fields` it is ignored.
- An empty body, or only white space, leaves the field that it is mapped to unset; so does `null`.
- A `response_body` field that is unset is `null` if it has presence, its default otherwise.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from google.protobuf.message_factory import GetMessageClass

from ..codec import JsonError
from .percent import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import Descriptor, FieldDescriptor

    from ..codec import JsonCodec

    Convert = Callable[[bytes], bytes]

_WHITE_SPACE = b" \t\r\n"
_LENGTH_DELIMITED = 2


def body_decoder(
    descriptor: Descriptor, body: str, codec: JsonCodec, *, ignore_unknown_fields: bool = False
) -> Convert:
    """Return what turns an HTTP body into a request message, both as bytes.

    Args:
        descriptor: The request message.
        body: The rule's `body`: empty, `*` or the name of a field.
        codec: Reads the body.
        ignore_unknown_fields: Ignore a body where none is expected, rather than refuse it.

    Returns:
        A function from the body to protobuf's wire format. It raises `JsonError`.

    Raises:
        ValueError: The message has no such field.
    """
    if body == "*":
        return codec.decoder(descriptor)
    if not body:
        return _ignore if ignore_unknown_fields else _refuse
    field = _field(descriptor, body, "body")
    message = _plain_message(field)
    if message is None or field.is_repeated or field.type == field.TYPE_GROUP:
        return _value_decoder(descriptor, field, codec)
    return _message_decoder(field, codec.decoder(message))


def body_encoder(descriptor: Descriptor, response_body: str, codec: JsonCodec) -> Convert:
    """Return what turns a response message into the HTTP body, both as bytes.

    Args:
        descriptor: The response message.
        response_body: The rule's `response_body`: empty or the name of a field.
        codec: Writes the body.

    Returns:
        A function from protobuf's wire format to JSON text.

    Raises:
        ValueError: The message has no such field.
    """
    if not response_body:
        return codec.encoder(descriptor)
    field = _field(descriptor, response_body, "response_body")
    message = _plain_message(field)
    if message is None:
        return _value_encoder(descriptor, field, codec)
    encode_all = _messages_encoder if field.is_repeated else _message_encoder
    return encode_all(descriptor, field, codec.encoder(message))


def _field(descriptor: Descriptor, name: str, option: str) -> FieldDescriptor:
    field = descriptor.fields_by_name.get(name)
    if field is None:
        raise ValueError(f"{option}: {descriptor.full_name} has no field {quoted(name)}")
    return field


def _plain_message(field: FieldDescriptor) -> Descriptor | None:
    """Return the type of a field that JSON writes as an object of the message's own fields."""
    message = field.message_type
    if message is None or message.file.package == "google.protobuf":
        return None
    return None if message.GetOptions().map_entry else message


def _ignore(_content: bytes) -> bytes:
    return b""


def _refuse(content: bytes) -> bytes:
    if content.strip(_WHITE_SPACE):
        raise JsonError("no request body is expected")
    return b""


def _message_decoder(field: FieldDescriptor, decode_message: Convert) -> Convert:
    tag = _varint(field.number << 3 | _LENGTH_DELIMITED)

    def decode(content: bytes) -> bytes:
        if content.strip(_WHITE_SPACE) in (b"", b"null"):
            return b""
        message = decode_message(content)
        return tag + _varint(len(message)) + message

    return decode


def _value_decoder(descriptor: Descriptor, field: FieldDescriptor, codec: JsonCodec) -> Convert:
    """Read the body as the value of a member in an object of the request message."""
    decode_message = codec.decoder(descriptor)
    prefix = f"{{{json.dumps(field.json_name)}:".encode()

    def decode(content: bytes) -> bytes:
        if not content.strip(_WHITE_SPACE):
            return b""
        # Without this, `1, "other": 2` would set another field too.
        try:
            json.loads(content.decode(), parse_int=str, parse_float=str)
        except (ValueError, RecursionError) as error:
            reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
            raise JsonError(f"the request body is not JSON: {reason}") from None
        return decode_message(b"".join((prefix, content, b"}")))

    return decode


def _message_encoder(
    descriptor: Descriptor, field: FieldDescriptor, encode_message: Convert
) -> Convert:
    message_class: type[Any] = GetMessageClass(descriptor)

    def encode(wire: bytes) -> bytes:
        message = message_class.FromString(wire)
        if not message.HasField(field.name):
            return b"null"
        return encode_message(getattr(message, field.name).SerializePartialToString())

    return encode


def _messages_encoder(
    descriptor: Descriptor, field: FieldDescriptor, encode_message: Convert
) -> Convert:
    message_class: type[Any] = GetMessageClass(descriptor)

    def encode(wire: bytes) -> bytes:
        messages = getattr(message_class.FromString(wire), field.name)
        elements = [encode_message(message.SerializePartialToString()) for message in messages]
        return b"[" + b",".join(elements) + b"]"

    return encode


def _value_encoder(descriptor: Descriptor, field: FieldDescriptor, codec: JsonCodec) -> Convert:
    """Write the message and cut the field out of it."""
    # Here, as few services need it.
    from google.protobuf.json_format import MessageToDict

    message_class: type[Any] = GetMessageClass(descriptor)
    encode_message = codec.encoder(descriptor)
    defaults = MessageToDict(
        message_class(), preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    default = defaults.get(field.name)

    def encode(wire: bytes) -> bytes:
        message = message_class.FromString(wire)
        for other, _ in message.ListFields():
            if other.name != field.name:
                message.ClearField(other.name)
        members = json.loads(encode_message(message.SerializePartialToString()))
        value = members.get(field.json_name, members.get(field.name, default))
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

    return encode


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)

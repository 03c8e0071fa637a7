"""The two codecs of all protocols: messages as protobuf's wire format, and as JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from ..calls.response import Encoder
from ..protojson import JsonCodec, JsonError
from ..rpc.status import CallError

Decoder = Callable[[bytes], Any]
"""Bytes to a message; raises `CallError`."""


class Codec(NamedTuple):
    """How the messages of one RPC are read and written.

    Attributes:
        name: As content types have it, such as `proto`.
        decode: Bytes to a request message; raises `CallError`.
        encode: A response message to bytes.
    """

    name: str
    decode: Decoder
    encode: Encoder


def proto_codec(method: MethodDescriptor, malformed: grpc.StatusCode) -> Codec:
    """Makes the codec of protobuf's wire format.

    Args:
        method: The RPC.
        malformed: What calls end with whose request is no message of its type.
    """
    parse = GetMessageClass(method.input_type).FromString
    serialize: Any = GetMessageClass(method.output_type).SerializeToString

    def decode(data: bytes) -> Any:
        try:
            return parse(data)
        except (DecodeError, ValueError):
            raise CallError(malformed, "The request is no message of its type") from None

    return Codec("proto", decode, serialize)


def json_codec(method: MethodDescriptor, codec: JsonCodec) -> Codec:
    """Makes the codec of canonical JSON; what is wrong with a request is the caller's to know."""
    parse = codec.message_decoder(GetMessageClass(method.input_type))

    def decode(data: bytes) -> Message:
        try:
            return parse(data)
        except JsonError as error:
            raise CallError(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from None

    return Codec("json", decode, codec.message_encoder(GetMessageClass(method.output_type)))


def _as_it_is(data: bytes) -> bytes:
    return data


BYTES = Codec("proto", _as_it_is, _as_it_is)
"""That of RPCs whose handlers read and write their messages themselves, as gRPC has it."""

"""What the codec makes of JSON, as the bytes of messages: they show what is set in one, and how."""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.descriptor import Descriptor
from google.protobuf.message_factory import GetMessageClass
from polyrpc.protojson import JsonCodec


def decoder(codec: JsonCodec, descriptor: Descriptor) -> Callable[[bytes], bytes]:
    decode = codec.message_decoder(GetMessageClass(descriptor))
    return lambda text: decode(text).SerializeToString()


def encoder(codec: JsonCodec, descriptor: Descriptor) -> Callable[[bytes], bytes]:
    message_class = GetMessageClass(descriptor)
    encode = codec.message_encoder(message_class)
    return lambda wire: encode(message_class.FromString(wire))

"""What protobuf's conformance runner judges: messages from and to JSON, by the library.

    python protobuf_testee.py DESCRIPTORS [--no-defaults] [--strict]

It answers a `ConformanceRequest` on standard input with a `ConformanceResponse` on standard output,
each after its length in four bytes, as the runner's `conformance.proto` has it.
"""

from __future__ import annotations

import argparse
import struct
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from polyrpc.protojson import JsonCodec, JsonError
from polyrpc.protojson.strict_reader import StrictReaders
from polyrpc.protojson.style import JsonStyle

Decoder = Callable[[bytes], Any]

_UNKNOWN_IGNORED = "JSON_IGNORE_UNKNOWN_PARSING_TEST"


class Testee:
    """Answers requests.

    Args:
        style: How it writes JSON.
        strict: It reads JSON by the strict readers alone.
    """

    def __init__(self, style: JsonStyle, *, strict: bool) -> None:
        self._encoder = cache(JsonCodec(style).message_encoder)
        self._decoders = [cache(_decoders(style, ignore, strict)) for ignore in (False, True)]

    def answer(self, request: Any, response: Any) -> None:
        """Fills in the response to a request."""
        source = request.WhichOneof("payload")
        target = _name(request, "requested_output_format")
        if source not in ("protobuf_payload", "json_payload") or target not in ("PROTOBUF", "JSON"):
            response.skipped = "neither wire format nor JSON"
            return
        message_class = _class_of(request.message_type)
        try:
            if source == "protobuf_payload":
                message = message_class.FromString(request.protobuf_payload)
            else:
                ignore_unknown = _name(request, "test_category") == _UNKNOWN_IGNORED
                decode = self._decoders[ignore_unknown](message_class)
                message = decode(request.json_payload.encode())
        except (DecodeError, JsonError) as error:
            response.parse_error = str(error)
            return
        try:
            if target == "PROTOBUF":
                response.protobuf_payload = message.SerializeToString()
            else:
                response.json_payload = self._encoder(message_class)(message).decode()
        except JsonError as error:
            response.serialize_error = str(error)


def _decoders(style: JsonStyle, ignore_unknown: bool, strict: bool) -> Callable[[Any], Decoder]:
    if not strict:
        return JsonCodec(style, ignore_unknown_fields=ignore_unknown).message_decoder
    readers = StrictReaders(ignore_unknown_fields=ignore_unknown)

    def decoder(message_class: Any) -> Decoder:
        read = readers.of(message_class)
        return lambda text: read(text, None)

    return decoder


def _name(message: Any, field: str) -> str:
    """The name of a field's enum value."""
    descriptor = message.DESCRIPTOR.fields_by_name[field]
    name: str = descriptor.enum_type.values_by_number[getattr(message, field)].name
    return name


@cache
def _class_of(full_name: str) -> Any:
    return GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(full_name))


def _know(descriptors: Path) -> None:
    """Has the default pool know the runner's messages, and what of their imports it does not."""
    pool: Any = descriptor_pool.Default()
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptors.read_bytes()).file:
        try:
            pool.FindFileByName(file.name)
        except KeyError:
            pool.AddSerializedFile(file.SerializeToString())


def answer_all(testee: Testee, requests: BinaryIO, responses: BinaryIO) -> None:
    """Answers until the requests end."""
    request_class = _class_of("conformance.ConformanceRequest")
    response_class = _class_of("conformance.ConformanceResponse")
    while length := requests.read(4):
        (size,) = struct.unpack("<I", length)
        request, response = request_class.FromString(requests.read(size)), response_class()
        try:
            if request.message_type == "conformance.FailureSet":
                response.protobuf_payload = b""  # Asked at first, for what is known to fail.
            else:
                testee.answer(request, response)
        except Exception as error:  # which the runner counts as a failure of the case
            response.runtime_error = repr(error)
        answered = response.SerializeToString()
        responses.write(struct.pack("<I", len(answered)) + answered)
        responses.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("descriptors", type=Path)
    parser.add_argument("--no-defaults", action="store_true")
    parser.add_argument("--strict", action="store_true")
    options = parser.parse_args()
    _know(options.descriptors)
    style = JsonStyle(always_print_fields_with_no_presence=not options.no_defaults)
    answer_all(Testee(style, strict=options.strict), sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()

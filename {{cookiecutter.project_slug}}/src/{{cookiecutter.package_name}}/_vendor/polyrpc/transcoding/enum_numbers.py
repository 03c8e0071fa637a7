"""Responses with enums as numbers, which callers ask for with `$alt=json;enum-encoding=int`.

Google's own clients do (https://cloud.google.com/apis/docs/system-parameters), to be told of values
that they have no names for. Nobody else does: such responses take the long way.
"""

from __future__ import annotations

import json
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message_factory import GetMessageClass

from ..protojson.style import JsonStyle
from .http_body import Encode
from .percent import percent_decode


def asks_for_enum_numbers(query: bytes) -> bool:
    """Tell whether a query string has the system parameter."""
    if b"enum-encoding" not in query:
        return False
    for parameter in query.split(b"&"):
        try:
            name, _, value = percent_decode(parameter).partition("=")
        except ValueError:  # which is for what reads the query to say
            continue
        media_type, *options = value.split(";")
        if name == "$alt" and media_type == "json" and "enum-encoding=int" in options:
            return True
    return False


def enum_numbers_encoder(descriptor: Descriptor, response_body: str, style: JsonStyle) -> Encode:
    """Return what turns a response message into JSON text, as `body_encoder` does otherwise.

    Args:
        descriptor: The response message.
        response_body: The rule's `response_body`: empty or the name of a field that there is.
        style: How messages are written.
    """

    def members_of(message: Any, *, all_printed: bool) -> dict[str, Any]:
        from google.protobuf.json_format import MessageToDict  # Here, as few services need it.

        return MessageToDict(
            message,
            preserving_proto_field_name=style.preserving_proto_field_name,
            always_print_fields_with_no_presence=all_printed,
            use_integers_for_enums=True,
        )

    def encode(message: Any) -> bytes:
        value: Any = members_of(message, all_printed=style.always_print_fields_with_no_presence)
        if response_body:
            name = style.name_of(descriptor.fields_by_name[response_body])
            if name not in value:
                value = members_of(GetMessageClass(descriptor)(), all_printed=True)
            value = value.get(name)
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

    return encode

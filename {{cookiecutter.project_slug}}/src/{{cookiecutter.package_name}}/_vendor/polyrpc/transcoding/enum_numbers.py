"""Responses with enums as numbers, which callers ask for with `$alt=json;enum-encoding=int`.

Google's own clients do (https://cloud.google.com/apis/docs/system-parameters), to be told of values
that they have no names for.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from google.protobuf.descriptor import Descriptor

from ..protojson import JsonCodec
from ..protojson.style import JsonStyle
from .http_body import Encode, body_encoder
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
    """Return what turns a response message into JSON text, as `body_encoder` does otherwise."""
    return body_encoder(descriptor, response_body, _codec(style))


@cache
def _codec(style: JsonStyle) -> JsonCodec:
    return JsonCodec(replace(style, use_integers_for_enums=True))

"""Canonical proto3 JSON, to and from the protobuf wire format."""

from .errors import JsonError
from .json_codec import JsonCodec

__all__ = ["JsonCodec", "JsonError"]

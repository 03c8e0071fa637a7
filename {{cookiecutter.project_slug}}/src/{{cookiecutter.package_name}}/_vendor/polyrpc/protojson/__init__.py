"""Canonical proto3 JSON, to and from the protobuf wire format."""

from .codec import JsonCodec
from .errors import JsonError

__all__ = ["JsonCodec", "JsonError"]

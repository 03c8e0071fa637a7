"""The wire formats whose messages come in envelopes, with the codecs of their content types."""

from __future__ import annotations

from collections.abc import Mapping

from . import connect_stream, grpc, grpc_web
from .enveloped_response import EnvelopedFormat

FORMATS: tuple[tuple[EnvelopedFormat, Mapping[str, str]], ...] = (
    (grpc.Grpc(), grpc.CONTENT_TYPES),
    (grpc_web.GrpcWeb(), grpc_web.CONTENT_TYPES),
    (grpc_web.GrpcWeb(is_text=True), grpc_web.TEXT_CONTENT_TYPES),
    (connect_stream.ConnectStream(), connect_stream.CONTENT_TYPES),
)

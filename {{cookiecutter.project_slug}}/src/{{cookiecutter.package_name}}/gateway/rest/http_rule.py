"""`google.api.http` annotations: the bindings of an RPC to HTTP methods and paths.

Follows `google/api/http.proto` and AIP-127. Where those leave a choice:

- A field that both the path and the body set has the path's value.
- A stream of requests needs `body: "*"` and no variables, so that each message is complete.
- `GET`, `HEAD` and `DELETE` have no body.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from google.api import annotations_pb2
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from ..codec import JsonError
from .field_text import text_parser
from .http_body import body_decoder, body_encoder
from .path_template import PathTemplate
from .percent import quoted
from .query import QueryDecoder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.api.http_pb2 import HttpRule
    from google.protobuf.descriptor import Descriptor, MethodDescriptor
    from google.protobuf.message import Message

    from ..codec import JsonCodec

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_METHODS_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE"})


def http_bindings(
    method: MethodDescriptor, codec: JsonCodec, *, ignore_unknown_fields: bool = False
) -> list[HttpBinding]:
    """List the bindings that the `google.api.http` annotation of an RPC declares.

    Args:
        method: The RPC.
        codec: Reads and writes the bodies.
        ignore_unknown_fields: Ignore query parameters that name no field, and a body where none
            is expected, rather than refuse them.

    Returns:
        The rule's own binding and then its additional ones; none without an annotation.

    Raises:
        ValueError: The annotation is invalid; one line that names the RPC.
    """
    options = method.GetOptions()
    if not options.HasExtension(annotations_pb2.http):
        return []
    rule = options.Extensions[annotations_pb2.http]
    try:
        if any(additional.additional_bindings for additional in rule.additional_bindings):
            raise ValueError("additional_bindings must not be nested")
        return [
            HttpBinding(method, each, codec, ignore_unknown_fields=ignore_unknown_fields)
            for each in (rule, *rule.additional_bindings)
        ]
    except ValueError as error:
        raise ValueError(f"{method.full_name}: google.api.http: {error}") from None


class HttpBinding:
    """One HTTP method and path template of an RPC.

    Args:
        rpc: The RPC.
        rule: The rule; its `additional_bindings` are not looked at.
        codec: Reads and writes the bodies.
        ignore_unknown_fields: Ignore query parameters that name no field, and a body where none
            is expected, rather than refuse them.

    Attributes:
        rpc: The RPC.
        method: The HTTP method, or `*` for any.
        template: The path template.
        body: The request field that is the body; `*` for the whole message, empty for none.
        response_body: The response field that is the body; empty for the whole message.
        query: Decodes the fields that neither the path nor the body sets.

    Raises:
        ValueError: The rule does not fit the RPC.
    """

    def __init__(
        self,
        rpc: MethodDescriptor,
        rule: HttpRule,
        codec: JsonCodec,
        *,
        ignore_unknown_fields: bool = False,
    ) -> None:
        self.rpc = rpc
        self.method, path = _pattern(rule)
        self.template = PathTemplate(path)
        self.body = rule.body
        self.response_body = rule.response_body
        self._variables = {
            field_path: _Variable(rpc.input_type, field_path)
            for field_path in self.template.variables
        }
        self._check()
        self._decode_body = body_decoder(
            rpc.input_type, rule.body, codec, ignore_unknown_fields=ignore_unknown_fields
        )
        self._encode_body = body_encoder(rpc.output_type, rule.response_body, codec)
        in_body = rpc.input_type.fields_by_name if rule.body == "*" else [rule.body]
        self.query = QueryDecoder(
            rpc.input_type,
            exclude=[*self._variables, *in_body],
            ignore_unknown_fields=ignore_unknown_fields,
        )
        self._request_class: type[Message] = GetMessageClass(rpc.input_type)
        self._body_overlaps = self._overlaps(rule.body)

    def decode(self, variables: Mapping[str, str], query: bytes, body: bytes) -> Message:
        """Put a request message together from the parts of an HTTP request.

        Args:
            variables: The value of each path variable, decoded.
            query: The query string as it was sent, without the question mark.
            body: The body; of a stream, one of its messages.

        Raises:
            JsonError: A part is wrong; the text says which.
        """
        wire = self._decode_body(body)
        try:
            if not variables and not query:
                return self._request_class.FromString(wire)
            message = self._request_class()
            if self._body_overlaps:
                message.MergeFromString(wire)
                wire = b""
            for field_path, text in variables.items():
                self._variables[field_path].set(message, text)
            self.query.merge(query, message)
            message.MergeFromString(wire)
        except DecodeError:
            raise JsonError("the request body is nested too deeply") from None
        return message

    def encode(self, message: Message) -> bytes:
        """Write a response message as the JSON text of the body."""
        return self._encode_body(message.SerializeToString())

    def _overlaps(self, body: str) -> bool:
        """Tell whether path or query may touch what the body sets; wire formats add up if not."""
        if body in ("", "*"):
            return body == "*"
        in_oneof = self.rpc.input_type.fields_by_name[body].containing_oneof is not None
        return in_oneof or any(path.startswith(f"{body}.") for path in self._variables)

    def _check(self) -> None:
        if self.body and self.method in _METHODS_WITHOUT_BODY:
            raise ValueError(f"body: {self.method} has no body")
        if self.body in self._variables:
            raise ValueError(f"body: the path sets {self.body} already")
        if self.rpc.client_streaming and (self.body != "*" or self._variables):
            raise ValueError('a stream of requests needs body: "*" and a path without variables')


class _Variable:
    """A field that a path variable sets."""

    def __init__(self, descriptor: Descriptor, field_path: str) -> None:
        *self._outer, self._name = field_path.split(".")
        self._shown = quoted(field_path)
        message = descriptor
        for name in self._outer:
            field = message.fields_by_name.get(name)
            if field is None or field.message_type is None or field.is_repeated:
                raise ValueError(f"path variable {self._shown}: {name} is no singular message")
            if text_parser(field) is not None:
                raise ValueError(f"path variable {self._shown}: {name} is a single value")
            message = field.message_type
        field = message.fields_by_name.get(self._name)
        if field is None:
            raise ValueError(
                f"path variable {self._shown}: {message.full_name} has no field {self._name}"
            )
        parse = text_parser(field)
        if parse is None or field.message_type is not None or field.is_repeated:
            raise ValueError(f"path variable {self._shown}: the field is no singular scalar")
        self._parse = parse

    def set(self, message: Message, text: str) -> None:
        target: Any = message
        for name in self._outer:
            target = getattr(target, name)
        try:
            setattr(target, self._name, self._parse(text))
        except ValueError as error:
            raise JsonError(f"path variable {self._shown} {error}") from None
        # A field's default alone would not make the nested message around it present.
        target.SetInParent()


def _pattern(rule: HttpRule) -> tuple[str, str]:
    kind = rule.WhichOneof("pattern")
    if kind is None:
        raise ValueError('a method and path are needed, such as get: "/v1/books"')
    if kind != "custom":
        return kind.upper(), getattr(rule, kind)
    if not _TOKEN.fullmatch(rule.custom.kind):
        raise ValueError(f"custom: {quoted(rule.custom.kind)} is no HTTP method")
    return rule.custom.kind, rule.custom.path

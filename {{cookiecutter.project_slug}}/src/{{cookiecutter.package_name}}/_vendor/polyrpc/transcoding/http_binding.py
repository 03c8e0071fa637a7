"""The bindings of an RPC: requests put together by a rule, and responses taken apart.

A field that both the path and the body set has the path's value.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from ..protojson import JsonCodec, JsonError
from ..protojson.descriptors import is_http_body
from .http_body import body_decoder, body_encoder
from .http_rule import Rule, read_annotation
from .query import QueryDecoder

logger = logging.getLogger("polyrpc.transcoding")


def http_bindings(method: MethodDescriptor, codec: JsonCodec) -> list[HttpBinding]:
    """List the bindings that the `google.api.http` annotation of an RPC declares.

    What of it cannot be served is left out with a warning.

    Returns:
        The rule's own binding and then its additional ones; none without an annotation.
    """
    annotation = read_annotation(method)
    for problem in annotation.problems:
        logger.warning("not served: %s", problem)
    return [HttpBinding(rule, codec) for rule in annotation.rules]


class HttpBinding:
    """Reads and writes the messages of a rule.

    Args:
        rule: The rule.
        codec: Reads and writes the bodies; where it ignores unknown fields, so are parameters of
            the query that name none, and a body where none is expected.

    Attributes:
        rule: The rule.
        query: Decodes the fields that neither the path nor the body sets.
        takes_raw: The body is a `google.api.HttpBody`, as it stands.
        gives_raw: So is that of the response.
    """

    def __init__(self, rule: Rule, codec: JsonCodec) -> None:
        request = rule.rpc.input_type
        self.rule = rule
        self.takes_raw = bool(rule.body) and is_http_body(request, rule.body)
        self.gives_raw = is_http_body(rule.rpc.output_type, rule.response_body)
        self._request_class: type[Message] = GetMessageClass(request)
        self._decode_body = body_decoder(request, rule.body, codec)
        self.encode = body_encoder(rule.rpc.output_type, rule.response_body, codec)
        in_body = request.fields_by_name if rule.body == "*" else [rule.body]
        self.query = QueryDecoder(
            request,
            exclude=[*rule.variables, *in_body],
            ignore_unknown_fields=codec.ignore_unknown_fields,
        )

    def decode(
        self, variables: Mapping[str, str], query: bytes, body: bytes, content_type: str = ""
    ) -> Message:
        """Put a request message together from the parts of an HTTP request.

        Args:
            variables: The value of each path variable, decoded.
            query: The query string as it was sent, without the question mark.
            body: The body; of a stream, one of its messages.
            content_type: The content type of a body that stands for itself.

        Raises:
            JsonError: A part is wrong; the text says which.
        """
        message = self._raw(body, content_type) if self.takes_raw else self._decode_body(body)
        try:
            for field_path, text in variables.items():
                self.rule.variables[field_path].set(message, text)
        except ValueError as error:
            raise JsonError(str(error)) from None
        if query:
            self.query.merge(query, message)
        return message

    def http_body_of(self, response: Any) -> Any:
        """Return the `HttpBody` of a response message."""
        name = self.rule.response_body
        return getattr(response, name) if name else response

    def _raw(self, body: bytes, content_type: str) -> Message:
        message: Any = self._request_class()
        raw = message if self.rule.body == "*" else getattr(message, self.rule.body)
        raw.data, raw.content_type = body, content_type
        return message  # type: ignore[no-any-return]  # it is one

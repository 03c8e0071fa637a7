"""OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.1.html) of the HTTP side of RPCs.

Knows no framework: operations in, parts of a document out. `openapi_document` puts them into the
document that the framework serves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, ServiceDescriptor

from ..protojson.descriptors import is_http_body
from ..protojson.style import JsonStyle
from ..rpc.status import HTTP_STATUS
from .comments import summary_of
from .example import example_of
from .operation import Operation, path_parameters, query_parameters
from .schema import MessageSchemas, Schema

_DESCRIBABLE_METHODS = frozenset(
    {"GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"}
)
_PLACEHOLDER = re.compile(r"\{([^}]*)\}")
_WORD = re.compile(r"[A-Za-z0-9]+")

_ERROR_SCHEMA: Schema = {
    "type": "object",
    "description": "Why a call failed.",
    "properties": {
        "detail": {"type": "string", "description": "What went wrong, for people."},
        "code": {"type": "integer", "description": "The number of the gRPC status code."},
        "status": {
            "type": "string",
            "description": "The name of the gRPC status code.",
            "enum": [code.name for code in HTTP_STATUS if code.value[0]],
        },
        "details": {
            "type": "array",
            "description": "The details of `google.rpc.Status`, each with its `@type`.",
            "items": {
                "type": "object",
                "properties": {"@type": {"type": "string"}},
                "required": ["@type"],
            },
        },
    },
    "required": ["detail", "code", "status", "details"],
}
_BINARY: Schema = {"type": "string", "format": "binary"}
_TIMEOUT_PARAMETER = {
    "name": "grpc-timeout",
    "in": "header",
    "description": "The deadline: up to eight digits and a unit (`H` hours, `M` minutes, "
    "`S` seconds, `m` milliseconds, `u` microseconds, `n` nanoseconds), such as `500m`.",
    "schema": {"type": "string", "pattern": "^[0-9]{1,8}[HMSmun]$"},
}


def describe(
    operations: Iterable[Operation], *, error_name: str = "Error", taken_ids: Iterable[str] = ()
) -> dict[str, Any]:
    """Describe operations.

    Args:
        operations: The operations; of two with the same method and path the first counts.
        error_name: The name of the component that is the error body.
        taken_ids: Operation ids that the rest of the document uses.

    Returns:
        The members `paths`, `components` and `tags` of an OpenAPI object. References in them
        expect the components under `#/components/`.
    """
    described = [
        operation for operation in operations if operation.http_method in _DESCRIBABLE_METHODS
    ]
    comments: dict[str, str] = {}
    for mapping in {id(operation.comments): operation.comments for operation in described}.values():
        comments |= mapping
    writers = _writers(described, comments, error_name)
    paths: dict[str, dict[str, Any]] = {}
    spellings: dict[str, str] = {}
    tags: dict[str, dict[str, str]] = {}
    ids = _OperationIds(taken_ids)
    for operation in described:
        # Templates that differ in the names of their parameters alone are one path to OpenAPI.
        path = spellings.setdefault(_PLACEHOLDER.sub("{}", operation.path), operation.path)
        methods = paths.setdefault(path, {})
        http_method = operation.http_method.lower()
        if http_method not in methods:
            writer = writers[operation.style]
            methods[http_method] = writer.operation(operation, path, ids.name(operation, path))
            service = operation.rpc.descriptor.containing_service
            tags.setdefault(service.full_name, _tag(service, comments))
    schemas: dict[str, Schema] = {error_name: _ERROR_SCHEMA}
    for writer in writers.values():
        schemas |= writer.schemas.components
    error = {
        "description": "The call failed.",
        "content": {"application/json": {"schema": _reference("schemas", error_name)}},
    }
    security_schemes: dict[str, Mapping[str, str]] = {}
    for operation in described:
        security_schemes |= operation.security_schemes
    return {
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "parameters": {"grpc-timeout": _TIMEOUT_PARAMETER},
            "responses": {error_name: error},
            "securitySchemes": security_schemes,
        },
        "tags": list(tags.values()),
    }


def _writers(
    operations: Sequence[Operation], comments: Mapping[str, str], error_name: str
) -> dict[JsonStyle, _Writer]:
    requests: dict[JsonStyle, list[Descriptor]] = {}
    for operation in operations:
        requests.setdefault(operation.style, []).append(operation.rpc.descriptor.input_type)
    writers = {}
    for number, (style, messages) in enumerate(requests.items(), 1):
        # A message that two gateways write differently is two components.
        suffix = f"-{number}" if number > 1 else ""
        schemas = MessageSchemas(style, comments, messages, suffix)
        writers[style] = _Writer(schemas, comments, error_name)
    return writers


def _tag(service: ServiceDescriptor, comments: Mapping[str, str]) -> dict[str, str]:
    tag = {"name": service.full_name}
    if comment := comments.get(service.full_name):
        tag["description"] = comment
    return tag


def _reference(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _media(schema: Schema) -> dict[str, Any]:
    return {"schema": schema}


class _Writer:
    """Writes the operations whose messages have one style."""

    def __init__(
        self, schemas: MessageSchemas, comments: Mapping[str, str], error_name: str
    ) -> None:
        self.schemas = schemas
        self._comments = comments
        self._error_name = error_name

    def operation(self, operation: Operation, path: str, operation_id: str) -> dict[str, Any]:
        """Write an operation object for `path`."""
        method = operation.rpc.descriptor
        service = method.containing_service
        written: dict[str, Any] = {
            "operationId": operation_id,
            "tags": [service.full_name],
        }
        comment = self._comments.get(method.full_name, "")
        if comment:
            written["summary"] = summary_of(comment)
        written["description"] = "\n\n".join(filter(None, (comment, _kind(operation))))
        names = _PLACEHOLDER.findall(path)
        written["parameters"] = [
            *path_parameters(operation, names, self.schemas),
            *query_parameters(operation, self.schemas),
            _reference("parameters", "grpc-timeout"),
        ]
        if operation.body:
            written["requestBody"] = {"content": dict(self._request_content(operation))}
        written["responses"] = {
            "200": {
                "description": "The call succeeded.",
                "content": dict(self._response_content(operation)),
            },
            "default": _reference("responses", self._error_name),
        }
        if (
            operation.deprecated
            or method.GetOptions().deprecated
            or service.GetOptions().deprecated
        ):
            written["deprecated"] = True
        schemes = operation.security_schemes
        security = [*operation.security, *({name: []} for name in schemes)]
        if security:
            written["security"] = security
        return written

    def _request_content(self, operation: Operation) -> Iterator[tuple[str, Any]]:
        method = operation.rpc.descriptor
        if is_http_body(method.input_type, operation.body):
            yield "*/*", _media(_BINARY)
            return
        field_name = operation.body.removeprefix("*")
        message = self._body(method.input_type, field_name)
        example = example_of(method.input_type, field_name, self.schemas.style)
        if method.client_streaming:
            array = {"type": "array", "items": message}
            yield "application/json", _media(array) | {"example": [example]}
            yield "application/x-ndjson", _media(message)
        else:
            yield "application/json", _media(message) | {"example": example}

    def _response_content(self, operation: Operation) -> Iterator[tuple[str, Any]]:
        method = operation.rpc.descriptor
        if is_http_body(method.output_type, operation.response_body):
            yield "*/*", _media(_BINARY)
            return
        message = self._body(method.output_type, operation.response_body)
        if method.server_streaming:
            # Generated clients ask for the first of these, and can read that one.
            yield "application/json", _media({"type": "array", "items": message})
            yield "application/x-ndjson", _media(self._line(message))
            yield "text/event-stream", _media(message)
        else:
            yield "application/json", _media(message)

    def _line(self, message: Schema) -> Schema:
        error = _reference("schemas", self._error_name)
        return {
            "type": "object",
            "description": "One line: a message, or the failure that ends the stream.",
            "properties": {"result": message, "error": error},
            "oneOf": [{"required": ["result"]}, {"required": ["error"]}],
        }

    def _body(self, message: Descriptor, field_name: str) -> Schema:
        if field_name:
            return self.schemas.field(message.fields_by_name[field_name])
        return self.schemas.message(message)


def _kind(operation: Operation) -> str:
    method = operation.rpc.descriptor
    streams = (("requests", method.client_streaming), ("responses", method.server_streaming))
    kind = " and ".join(f"a stream of {name}" for name, is_stream in streams if is_stream)
    return f"gRPC: `{operation.rpc.full_name}`{kind and f', {kind}'}."


class _OperationIds:
    """Names operations as clients may call them, each differently, and none as what is taken."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._owners: dict[str, str] = {}

    def name(self, operation: Operation, path: str) -> str:
        """Name an operation after its RPC, and as far as need be its HTTP method and path."""
        method = operation.rpc.descriptor
        service = method.containing_service
        owner = service.name
        if self._owners.setdefault(owner, service.full_name) != service.full_name:
            owner = service.full_name.replace(".", "_")  # such as the second version of a service
        rpc = f"{owner}_{method.name}"
        by_method = f"{rpc}_{operation.http_method.lower()}"
        words = _WORD.findall(_PLACEHOLDER.sub(r"by \1", path))
        by_path = "_".join([by_method, *words])
        name = next((each for each in (rpc, by_method) if each not in self._taken), by_path)
        while name in self._taken:
            name += "_again"  # Paths that differ in punctuation alone.
        self._taken.add(name)
        return name

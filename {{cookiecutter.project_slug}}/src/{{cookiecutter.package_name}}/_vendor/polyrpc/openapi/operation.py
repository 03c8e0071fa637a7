"""What an OpenAPI document says one HTTP method and path do: the operations of RPCs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..protojson.style import CANONICAL_STYLE, JsonStyle
from ..rpc.methods import RpcMethod
from ..transcoding.http_methods import message_is_in_query
from ..transcoding.http_rule import Rule
from .parameters import PathParameter, openapi_path


@dataclass(frozen=True, slots=True)
class Operation:
    """One HTTP method and path that an RPC answers.

    Attributes:
        rpc: The RPC.
        http_method: The HTTP method, in capitals. One that OpenAPI has no name for is left out of
            the document.
        path: The path as OpenAPI spells it, below the base path of the registration.
        parameters: The parameters of the path.
        body: What the body holds, as in `google.api.http`: `*` for the whole message, the name of
            a field, or nothing. Fields in neither the path nor the body are query parameters.
        response_body: The name of the field that is the answer; empty for the whole message.
        style: How messages are written.
        comments: Comments by the full names of what they are about (see `comments.comments_of`).
        deprecated: Whether the route is deprecated, whatever the `.proto` file says.
        security: The security requirements, as OpenAPI writes them.
        security_schemes: What callers authenticate with, as OpenAPI's security schemes by name.
    """

    rpc: RpcMethod
    http_method: str
    path: str
    parameters: tuple[PathParameter, ...] = ()
    body: str = "*"
    response_body: str = ""
    style: JsonStyle = CANONICAL_STYLE
    comments: Mapping[str, str] = field(default_factory=dict)
    deprecated: bool = False
    security: Sequence[dict[str, list[str]]] = ()
    security_schemes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def rpc_operations(
    rpc: RpcMethod,
    path: str,
    http_methods: Iterable[str],
    style: JsonStyle,
    comments: Mapping[str, str],
) -> list[Operation]:
    """Return the operations of an RPC's plain route, one for each of the HTTP methods."""
    return [
        Operation(
            rpc,
            http_method,
            path,
            body="" if message_is_in_query(http_method) else "*",
            style=style,
            comments=comments,
        )
        for http_method in http_methods
    ]


def rest_operation(
    rpc: RpcMethod, rule: Rule, style: JsonStyle, comments: Mapping[str, str]
) -> Operation:
    """Return the operation of a `google.api.http` rule of an RPC."""
    path, parameters = openapi_path(rule.template)
    return Operation(
        rpc,
        rule.method,
        path,
        parameters,
        body=rule.body,
        response_body=rule.response_body,
        style=style,
        comments=comments,
    )

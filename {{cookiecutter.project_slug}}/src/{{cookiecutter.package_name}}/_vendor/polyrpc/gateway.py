"""`ServiceGateway`: gRPC services on a `grpc.aio` server and as routes of an application."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import grpc

from .framework.fast_path import install_fast_path
from .framework.imports import (
    HTTP_ALLOWED_METHODS,
    ApplicationBase,
    GrpcGateway,
    HTTPHandler,
    ImproperlyConfigured,
    clean_path,
)
from .framework.openapi import install
from .framework.rest_route import RestRoute, RestRoutes
from .framework.route import RpcRoute
from .framework.rpc_paths import RpcPaths
from .http.endpoint import Endpoint, RouteCodec
from .http.json_path import JsonPath
from .native.accept_loop import make_server
from .native.graceful_stop import GracefulStop
from .native.handlers import NativeHandlers
from .openapi.comments import comments_of
from .openapi.operation import rest_operation, rpc_operations
from .protocols.chooser import PROTOCOLS
from .protojson import JsonCodec
from .protojson.style import JsonStyle
from .rpc.interception import AnyInterceptor, Interception
from .rpc.methods import generic_handlers, method_table
from .server.sockets import listen
from .transcoding.enum_numbers import enum_numbers_encoder
from .transcoding.http_binding import http_bindings


class ServiceGateway(GrpcGateway):
    """Serves the RPCs of some services over native gRPC and, through the framework, over HTTP/JSON.

    It keeps the documented surface of the framework's own `GrpcGateway` and works with
    `register_grpc_http_routes`. It can be made at import time; nothing is bound before `startup`.

    Args:
        path: The HTTP path before those of the RPCs; starts with a slash.
        services: Servicer classes, or instances, each with `__add_to_server__`. One instance of
            each serves every protocol.
        expose_http: False: no HTTP routes.
        http_methods: The HTTP methods that RPCs answer; None: all of them.
        is_secure: Whether the gRPC server uses TLS; then `server_credentials` are needed.
        server_credentials: For TLS.
        host: The address that the gRPC server binds.
        port: Its port; 0 takes a free one.
        native_services: Like `services`, but not as JSON routes, such as health checks.
        interceptors: `polyrpc.Interceptor`s or `grpc.aio` server interceptors, outermost first, run
            for the calls of every protocol. What one has as `security_schemes` (OpenAPI's, by name)
            the OpenAPI document asks of callers.
        options: Further channel arguments of the gRPC server.
        max_message_bytes: The limit for each message that is received, in bytes.
        default_timeout: Seconds for calls that come without a deadline; None: no limit.
        protocols: What the HTTP routes speak: `json` at the gateway's path and those of
            `google.api.http`; `grpc` (over HTTP/2), `grpc-web` and `connect` at
            `/{package.Service}/{Method}`, where `native_services` are served too.
        descriptor_set: A `FileDescriptorSet` with source info as protoc writes it, or its path:
            where the comments in the OpenAPI document come from.
        preserving_proto_field_name: As in `google.protobuf.json_format`.
        always_print_fields_with_no_presence: As in `google.protobuf.json_format`.
        ignore_unknown_fields: As in `google.protobuf.json_format`.

    Attributes:
        grpc_server: The running server, or None.
        bound_port: The port that the running server listens on, or None.
        http_paths: The HTTP path of each RPC, before any `base_path`, by its gRPC path.

    Raises:
        ImproperlyConfigured: `is_secure` without `server_credentials`.
        TypeError: `http_methods` is a mere string.
        ValueError: The path, a service or a protocol is not as described above.
    """

    def __init__(
        self,
        path: str,
        services: Sequence[Any],
        expose_http: bool = True,
        http_methods: Sequence[str] | None = None,
        is_secure: bool = False,
        server_credentials: grpc.ServerCredentials | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 50051,
        native_services: Sequence[Any] = (),
        interceptors: Sequence[AnyInterceptor] = (),
        options: Sequence[tuple[str, Any]] = (),
        max_message_bytes: int = 4 * 1024 * 1024,
        default_timeout: float | None = None,
        protocols: Sequence[str] = ("json", *PROTOCOLS),
        descriptor_set: bytes | str | PathLike[str] | None = None,
        preserving_proto_field_name: bool = False,
        always_print_fields_with_no_presence: bool = True,
        ignore_unknown_fields: bool = False,
    ) -> None:
        # The stock constructor is not called: it makes its server there and then, which ties it
        # to whatever event loop is current at import.
        if not path.startswith("/"):
            raise ValueError(f"the gateway's path must start with '/', not {path!r}")
        if is_secure and server_credentials is None:
            raise ImproperlyConfigured(
                "When `is_secure` is true, you must provide the `server_credentials`."
            )
        self.path = clean_path(path)
        self.services = list(services)
        self.expose_http = expose_http
        self.http_methods = _http_methods(http_methods)
        self.is_secure = is_secure
        self.server_credentials = server_credentials
        self.server_options = {"host": host, "port": port}
        self.interceptors = tuple(interceptors)
        self._interception = Interception(self.interceptors)
        self.max_message_bytes = max_message_bytes
        self.default_timeout = default_timeout
        self.grpc_server: Any = None
        self.bound_port: int | None = None
        # Of an argument that is there twice, gRPC takes the first.
        self._options: dict[str, Any] = {
            "grpc.so_reuseport": 0,
            "grpc.max_receive_message_length": max_message_bytes,
            **dict(options),
        }
        self._departure = GracefulStop()
        methods, native = method_table(self.services), method_table(native_services)
        bind = self._interception.bind
        self._methods = [bind(method, "http") for method in methods]
        self._native_methods = [bind(method, "grpc") for method in (*methods, *native)]
        # Health watches and reflection sessions last as long as their clients like.
        self._default_timeouts = {rpc.full_name: default_timeout for rpc in self._methods}
        self._style = JsonStyle(preserving_proto_field_name, always_print_fields_with_no_presence)
        self._codec = JsonCodec(self._style, ignore_unknown_fields=ignore_unknown_fields)
        self.http_paths = {
            method.full_name: clean_path(self.path + method.http_path) for method in self._methods
        }
        self._handlers = {method.full_name: method.handler for method in (*self._methods, *native)}
        self._has_json = "json" in protocols
        self._rpc_paths = RpcPaths(
            [*methods, *native],
            protocols,
            self._handlers,
            self._interception,
            self._codec,
            max_message_bytes,
            self._default_timeouts,
        )
        self._endpoints = [
            Endpoint(method, self._handlers, self._interception, max_message_bytes, default_timeout)
            for method in self._methods
        ]
        self._rest_routes = {
            endpoint.rpc.full_name: self._rest_routes_of(endpoint) if expose_http else []
            for endpoint in self._endpoints
        }
        self._security_schemes: dict[str, Mapping[str, str]] = {}
        for interceptor in self.interceptors:
            self._security_schemes |= getattr(interceptor, "security_schemes", {})
        self._comments = _comments(descriptor_set)

    async def startup(self) -> None:
        """Binds the port and starts the gRPC server on the running event loop.

        Raises:
            OSError: The port is taken, or the address cannot be bound.
            RuntimeError: It is running already.
        """
        if self.grpc_server is not None:
            raise RuntimeError("the gateway is running already")
        server = self._server()
        self.bound_port = self._bind(server, self.server_options["port"])
        self.grpc_server = server
        await server.start()

    async def shutdown(self, grace: float | None = None) -> None:
        """Stops the gRPC server: new calls are refused, those in flight may finish.

        Does nothing when the server is not running; `startup` may follow.

        Args:
            grace: Seconds after which calls still in flight are cancelled; None waits for all.
        """
        server = self.grpc_server
        if server is not None:
            # A second call while the first one waits may shorten its grace.
            await self._departure.stop(server, grace)
            self.grpc_server = self.bound_port = None

    def _server(self) -> grpc.aio.Server:
        servicers = {id(rpc.servicer): rpc.servicer for rpc in self._native_methods}.values()
        handlers = NativeHandlers(
            self._native_methods,
            self._interception,
            self._default_timeouts,
            self._departure,
            generic_handlers(servicers),
        )
        return make_server(handlers.registered, handlers, list(self._options.items()))

    def _bind(self, server: grpc.aio.Server, port: int) -> int:
        host = self.server_options["host"].removeprefix("[").removesuffix("]")
        # gRPC says neither why it cannot bind nor fails quietly, so the socket is tried first.
        if not self._options["grpc.so_reuseport"]:
            listen(host, port, "gRPC").close()
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if self.server_credentials is not None and self.is_secure:
                return server.add_secure_port(address, self.server_credentials)
            return server.add_insecure_port(address)
        except RuntimeError as error:
            raise OSError(f"cannot listen for gRPC on {address}: {error}") from None

    def _register_http_endpoints(self) -> Iterator[HTTPHandler]:
        """Yields a route handler for each RPC, to `register_grpc_http_routes`."""
        if not self.expose_http:
            return
        install()
        rest_routes = []
        handlers = self._rpc_paths.routes()
        if self._has_json:
            handlers += map(self._handler, self._endpoints)
            rest_routes = [route for routes in self._rest_routes.values() for route in routes]
        route: Any = None
        for handler in handlers:
            yield handler
            # By now the handler is registered: its parents are a route and the router of that.
            route = handler.parent
            install_fast_path(route.parent.parent)
        if not handlers:
            return
        # All RPCs are registered: what of them hides a rule is known.
        base_path, routes = route.path.removesuffix(handler.path), route.parent.routes
        if isinstance(route.parent.parent, ApplicationBase):
            # The routes of a mere router are copied, as far as the framework knows what they are.
            self._rpc_paths.register_unknown(routes, base_path)
        if rest_routes:
            RestRoutes.among(routes, base_path).add(rest_routes, routes)

    def _rest_routes_of(self, endpoint: Endpoint) -> list[RestRoute]:
        method = endpoint.rpc.descriptor
        routes = []
        for binding in http_bindings(method, self._codec):
            encode_numbers = enum_numbers_encoder(
                method.output_type, binding.rule.response_body, self._style
            )
            http_body_of = binding.http_body_of if binding.gives_raw else None
            written = RouteCodec(endpoint, binding.encode, encode_numbers, http_body_of)
            routes.append(RestRoute(binding, written))
        return routes

    def _handler(self, endpoint: Endpoint) -> RpcRoute:
        rpc = endpoint.rpc
        path = clean_path(self.path + rpc.http_path)
        operations = rpc_operations(rpc, path, self.http_methods, self._style, self._comments)
        operations += [
            rest_operation(rpc, route.binding.rule, self._style, self._comments)
            for route in self._rest_routes[rpc.full_name]
        ]
        operations = [
            replace(operation, security_schemes=self._security_schemes) for operation in operations
        ]
        codec = self._codec
        json = JsonPath(
            endpoint, codec, codec.style, ignore_unknown_fields=codec.ignore_unknown_fields
        )
        return RpcRoute(path, self.http_methods, json.answer_to, operations, straight=json.straight)


def _http_methods(methods: Sequence[str] | None) -> list[str]:
    if isinstance(methods, str):
        raise TypeError(f"http_methods must be a list, such as [{methods!r}]")
    return [method.upper() for method in methods or HTTP_ALLOWED_METHODS]


def _comments(descriptor_set: bytes | str | PathLike[str] | None) -> Mapping[str, str]:
    if descriptor_set is None:
        return {}
    if not isinstance(descriptor_set, bytes):
        descriptor_set = Path(descriptor_set).read_bytes()
    return comments_of(descriptor_set)

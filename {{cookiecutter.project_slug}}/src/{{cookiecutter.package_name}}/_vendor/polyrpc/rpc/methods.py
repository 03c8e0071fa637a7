"""The method table: which RPCs a servicer answers, with their handlers and descriptors."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor


@dataclass(frozen=True, slots=True)
class RpcMethod:
    """One RPC of one servicer instance.

    Attributes:
        servicer: The instance that answers it, for every protocol.
        handler: The gRPC method handler: serializers and the callable.
        descriptor: The method's descriptor, from the pool of the generated modules.
    """

    servicer: Any
    handler: grpc.RpcMethodHandler[Any, Any]
    descriptor: MethodDescriptor

    @property
    def full_name(self) -> str:
        """The gRPC path, such as `/greeter_service.v1.Greeter/SayHello`."""
        return f"/{self.descriptor.containing_service.full_name}/{self.descriptor.name}"

    @property
    def http_path(self) -> str:
        """The path below the gateway's, such as `/greeterservice/sayhello`."""
        return f"/{type(self.servicer).__name__.lower()}/{self.descriptor.name.lower()}"


def method_table(services: Iterable[Any]) -> Sequence[RpcMethod]:
    """Lists the RPCs of `services`, in the order of their `.proto` files.

    Args:
        services: Servicer classes (instantiated without arguments) or instances.

    Raises:
        ValueError: A service has no `__add_to_server__`, registers a service that its generated
            modules do not describe, or answers an RPC or HTTP path that another one answers too.
    """
    table: list[RpcMethod] = []
    for service in services:
        servicer = service() if isinstance(service, type) else service
        table += _methods_of(servicer)
    _refuse_repeated(table)
    return table


def service_names(servicers: Iterable[type[Any]]) -> list[str]:
    """The full names of the services that servicer classes answer; no instance is made.

    Raises:
        ValueError: A class has no `__add_to_server__`.
    """
    names: list[str] = []
    for servicer in servicers:
        # Only attributes are asked for: the class itself has them.
        names += _registered(servicer, servicer).handlers
    return names


def generic_handlers(servicers: Iterable[Any]) -> list[grpc.GenericRpcHandler]:
    """All handlers that instances register, by name or without telling what they answer."""
    handlers: list[grpc.GenericRpcHandler] = []
    for servicer in servicers:
        registered = _registered(type(servicer), servicer)
        handlers += [
            grpc.method_handlers_generic_handler(service, by_name)
            for service, by_name in registered.handlers.items()
        ]
        handlers += registered.generic
    return handlers


def _methods_of(servicer: Any) -> list[RpcMethod]:
    name = type(servicer).__name__
    registered = _registered(type(servicer), servicer).handlers
    if not registered:
        raise ValueError(f"{name}.__add_to_server__ registered no RPC")
    methods = []
    for service_name, handlers in registered.items():
        service = _service(service_name)
        if service is None:
            raise ValueError(
                f"{name} registers {service_name}, which no imported _pb2 module describes"
            )
        methods += [
            RpcMethod(servicer, handlers[method.name], method)
            for method in service.methods
            if method.name in handlers
        ]
    return methods


def _service(full_name: str) -> ServiceDescriptor | None:
    """Finds a service, and imports the module that describes it if nothing has done so yet.

    A `_pb2_grpc` module imports those of the messages. Where the service's own file has none of
    them, that is not the one beside it, whose descriptor the service is in.
    """
    pool = descriptor_pool.Default()
    with suppress(KeyError):
        return pool.FindServiceByName(full_name)
    register = f"add_{full_name.rpartition('.')[2]}Servicer_to_server"
    for name, module in list(sys.modules.items()):
        if name.endswith("_pb2_grpc") and hasattr(module, register):
            with suppress(ImportError, KeyError):
                import_module(name.removesuffix("_grpc"))
                return pool.FindServiceByName(full_name)
    return None


def _registered(servicer_class: type[Any], servicer: Any) -> _HandlerRecorder:
    name = servicer_class.__name__
    add_to_server = getattr(servicer_class, "__add_to_server__", None)
    if not callable(add_to_server):
        raise ValueError(
            f"{name} must provide a '__add_to_server__' classmethod that calls "
            f"add_{name}Servicer_to_server(instance, server)"
        )
    recorder = _HandlerRecorder()
    add_to_server(servicer, recorder)
    return recorder


def _refuse_repeated(table: Iterable[RpcMethod]) -> None:
    by_path: dict[str, RpcMethod] = {}
    seen: set[str] = set()
    for method in table:
        if method.full_name in seen:
            raise ValueError(
                f"the RPC {method.full_name} is answered by two services of one gateway"
            )
        seen.add(method.full_name)
        other = by_path.setdefault(method.http_path, method)
        if other is not method:
            raise ValueError(
                f"{other.full_name} and {method.full_name} have one HTTP path, "
                f"{method.http_path}, which is made of the names of class and method in lower case"
            )


class _HandlerRecorder:
    """Stands in for a `grpc.aio.Server` while a service registers itself.

    Attributes:
        handlers: By the names of services and methods.
        generic: Those that are asked for a handler. Generated code registers the same by name too.
    """

    def __init__(self) -> None:
        self.handlers: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {}
        self.generic: list[grpc.GenericRpcHandler] = []

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: dict[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        self.handlers.setdefault(service_name, {}).update(method_handlers)

    def add_generic_rpc_handlers(
        self, generic_rpc_handlers: Sequence[grpc.GenericRpcHandler]
    ) -> None:
        self.generic += generic_rpc_handlers

"""What interceptors, logs, metrics and traces are told of an RPC."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor

Protocol = Literal["grpc", "http", "grpc-web", "connect"]

HEALTH = "grpc.health.v1.Health"
"""The service that probes call: never refused, logged as debugging only, not traced."""

UNKNOWN = "unknown"

_KINDS = {
    (False, False): "unary",
    (False, True): "server_stream",
    (True, False): "client_stream",
    (True, True): "bidi_stream",
}
_LONGEST_NAME = 200


@dataclass(frozen=True)
class MethodInfo:
    """One RPC, by one protocol.

    Attributes:
        service: The full name of the service, such as `greeter_service.v1.Greeter`.
        name: The name of the method, such as `SayHello`.
        request_streaming: Whether its requests are a stream.
        response_streaming: Whether its responses are a stream.
        descriptor: The method's descriptor; None for a method that no generated module describes,
            of which callers can make up any number.
        protocol: What its callers speak: `grpc`, `grpc-web`, `connect`, or `http`, which is JSON.
    """

    service: str
    name: str
    request_streaming: bool
    response_streaming: bool
    descriptor: MethodDescriptor | None
    protocol: Protocol

    @cached_property
    def full_name(self) -> str:
        """The gRPC path, such as `/greeter_service.v1.Greeter/SayHello`."""
        return f"/{self.service}/{self.name}"

    @cached_property
    def kind(self) -> str:
        """`unary`, `server_stream`, `client_stream` or `bidi_stream`, or `unknown`."""
        if self.descriptor is None:
            return UNKNOWN
        return _KINDS[self.request_streaming, self.response_streaming]

    @property
    def is_health(self) -> bool:
        """Whether it is a health check, and not merely called like one: those are never refused."""
        return self.service == HEALTH and self.descriptor is not None


def method_info(full_name: str, protocol: Protocol) -> MethodInfo:
    """Describes the RPC with this gRPC path, such as `/greeter_service.v1.Greeter/SayHello`."""
    service, _, name = full_name.removeprefix("/").rpartition("/")
    descriptor = _descriptor(service, name)
    return MethodInfo(
        service=service[:_LONGEST_NAME],
        name=name[:_LONGEST_NAME],
        request_streaming=descriptor is not None and descriptor.client_streaming,
        response_streaming=descriptor is not None and descriptor.server_streaming,
        descriptor=descriptor,
        protocol=protocol,
    )


def _descriptor(service: str, method: str) -> MethodDescriptor | None:
    try:
        return descriptor_pool.Default().FindServiceByName(service).methods_by_name.get(method)
    except KeyError:
        return None

"""What is said of an RPC in logs, metrics and traces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor

HEALTH = "/grpc.health.v1.Health/"
"""The RPCs that probes call: never refused, logged as debugging only, not traced."""

UNKNOWN = "unknown"

_TYPES = {
    (False, False): "unary",
    (False, True): "server_stream",
    (True, False): "client_stream",
    (True, True): "bidi_stream",
}
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class MethodInfo:
    """One RPC, by one protocol.

    Attributes:
        protocol: What its callers speak: `grpc` or `http`.
        service: The full name of the service.
        method: The name of the method.
        type: `unary`, `server_stream`, `client_stream`, `bidi_stream`; `unknown` for a method
            that no generated module describes.
        is_health: Whether it is a health check.
    """

    protocol: Literal["grpc", "http"]
    service: str
    method: str
    type: str
    is_health: bool

    @property
    def known(self) -> bool:
        """Whether its names come from a descriptor, and so from a limited set of names."""
        return self.type != UNKNOWN


def method_info(path: str, protocol: Literal["grpc", "http"]) -> MethodInfo:
    """Describes the RPC with this gRPC path, such as `/greeter_service.v1.Greeter/SayHello`."""
    service, _, method = path.removeprefix("/").rpartition("/")
    descriptor = _descriptor(service, method)
    kind = (
        UNKNOWN
        if descriptor is None
        else _TYPES[descriptor.client_streaming, descriptor.server_streaming]
    )
    return MethodInfo(
        protocol, service[:_LONGEST_NAME], method[:_LONGEST_NAME], kind, path.startswith(HEALTH)
    )


def _descriptor(service: str, method: str) -> MethodDescriptor | None:
    try:
        return descriptor_pool.Default().FindServiceByName(service).methods_by_name.get(method)
    except KeyError:
        return None

"""Server reflection: lets `grpcurl` and its like list and call the RPCs without the `.proto`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.reflection import ReflectionServicer, aio

SERVICE_NAME = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"].full_name


class ReflectionService(aio.ReflectionServicer):
    """`grpc.reflection.v1alpha.ServerReflection`.

    Args:
        services: Full names of the services to list, besides this one.
    """

    def __init__(self, services: Iterable[str]) -> None:
        super().__init__((*services, SERVICE_NAME))

    @classmethod
    def __add_to_server__(cls, instance: ReflectionServicer, server: Any) -> None:
        register: Any = reflection_pb2_grpc.add_ServerReflectionServicer_to_server  # untyped
        register(instance, server)

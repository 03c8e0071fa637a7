"""The RPCs of a gateway with the interceptors that see messages around their handlers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from .interceptors import Interceptor, intercepted
from .method_info import HEALTH, MethodInfo, Protocol
from .methods import RpcMethod


def with_interceptors(
    methods: Iterable[RpcMethod], interceptors: Sequence[Interceptor], protocol: Protocol
) -> list[RpcMethod]:
    """Puts `interceptors` around the handlers of RPCs, as they are called by a protocol."""
    return [
        replace(method, handler=intercepted(method.handler, interceptors, _info(method, protocol)))
        if method.descriptor.containing_service.full_name != HEALTH
        else method
        for method in methods
    ]


def _info(method: RpcMethod, protocol: Protocol) -> MethodInfo:
    descriptor = method.descriptor
    return MethodInfo(
        service=descriptor.containing_service.full_name,
        name=descriptor.name,
        request_streaming=method.handler.request_streaming,
        response_streaming=method.handler.response_streaming,
        descriptor=descriptor,
        protocol=protocol,
    )

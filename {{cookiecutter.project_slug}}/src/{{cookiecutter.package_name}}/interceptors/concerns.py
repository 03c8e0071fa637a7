"""The layer that runs all concerns around each call, of either protocol.

What they need to know of an RPC is looked up once, and they are put around its handler once, as
one function. Interceptors that each wrapped the handler anew, for every call, would cost a small
call a seventh of its time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, TypeAlias, cast

import grpc

from ..gateway.behaviours import Behaviour, Context
from ..gateway.failures import final_code
from ..gateway.layers import Layer, Protocol, answering
from . import auth, request_id
from .limits import ConcurrencyLimit
from .metrics import RpcMetrics
from .request_log import RequestLog
from .rpc import HEALTH, rpc_of
from .tracing import Traced

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Concerns(Layer):
    """Request ids, tokens, traces, metrics, logs and the limit of concurrent calls.

    Args:
        tokens: Who may call; None: everyone.
        limit: How many calls at a time; None: any number.
        traced: Puts calls into spans; None: no traces.
    """

    def __init__(
        self,
        *,
        tokens: auth.Tokens | None = None,
        limit: ConcurrencyLimit | None = None,
        traced: Traced | None = None,
    ) -> None:
        self._tokens = tokens
        self._observation = _Observation(limit, traced)

    def around(self, rpc: str, protocol: Protocol, run: Behaviour) -> Behaviour:
        """Follows `Layer.around`."""
        admitted = self._observation.around(rpc, protocol, run)
        refused = self._observation.around(rpc, protocol, auth.refuse)
        admits = self._admits

        async def begin(request: Any, context: Context) -> Any:
            metadata = context.invocation_metadata() or ()
            request_id.adopt(metadata)
            return await (admitted if admits(rpc, metadata) else refused)(request, context)

        return begin

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Follows `grpc.aio.ServerInterceptor.intercept_service`.

        Ordinary interceptors that come after this one know the request id and the caller, and see
        nothing of strangers.
        """
        metadata: Any = handler_call_details.invocation_metadata
        request_id.adopt(metadata)
        if not self._admits(handler_call_details.method, metadata):
            continuation = _refused
        return await self._observation.intercept_service(continuation, handler_call_details)

    def _admits(self, path: str, metadata: auth.Metadata) -> bool:
        if self._tokens is None or path.startswith(HEALTH):
            return True
        caller = self._tokens.caller_of(metadata)
        if caller is None:
            return False
        auth.set_caller(caller)
        return True


class _Observation(Layer):
    """What comes after the request id is known, and the caller."""

    def __init__(self, limit: ConcurrencyLimit | None, traced: Traced | None) -> None:
        self._limit = limit
        self._traced = traced

    def around(self, rpc: str, protocol: Protocol, run: Behaviour) -> Behaviour:
        described = rpc_of(rpc, protocol)
        if self._limit is not None and not described.is_health:
            run = self._limit.limited(run)
        metrics, log = RpcMetrics(described), RequestLog(described)
        with_id = request_id.IdInHeaders if protocol == "http" else request_id.IdInTrailers

        async def observed(request: Any, context: Context) -> Any:
            code = grpc.StatusCode.UNKNOWN
            start = perf_counter()
            deadline = context.time_remaining()
            metrics.start()
            call = with_id(context, request_id.request_id())
            try:
                response = await run(request, cast(Context, call))
                await call.complete()
                code = final_code(None, context)
            except BaseException as error:
                await call.complete()
                code = final_code(error, context)
                raise
            finally:
                seconds = perf_counter() - start
                metrics.end(code, seconds)
                log.write(code, seconds, deadline, context)
            return response

        if self._traced is not None and not described.is_health:
            return self._traced(described, observed)
        return observed


async def _refused(_: grpc.HandlerCallDetails) -> Handler:
    return _REFUSED


_REFUSED = answering(auth.refuse)

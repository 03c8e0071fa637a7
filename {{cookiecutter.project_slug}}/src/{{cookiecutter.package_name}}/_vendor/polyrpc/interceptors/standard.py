"""The layer that runs all concerns around each call, of either protocol.

What they need to know of an RPC is looked up once, and they are put around its handler once, as
one function. Interceptors that each wrapped the handler anew, for every call, would cost a small
call a seventh of its time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import Any, TypeAlias

import grpc

from ..logs import REQUEST_ID
from ..native.handlers import RECEIVED
from ..rpc.current_call import CALL
from ..rpc.errors import final_code
from ..rpc.handlers import Context, RpcFunction
from ..rpc.method_info import HEALTH, Protocol, method_info
from ..rpc.method_interceptors import MethodInterceptor, answering
from . import auth
from .access_log import AccessLog
from .concurrency_limit import ConcurrencyLimit
from .registry import Metrics
from .request_id import InTrailers, adopt, adopt_header, in_headers
from .tracing import Traced, current_trace_id

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class StandardInterceptor(MethodInterceptor):
    """Request ids, tokens, traces, metrics, logs and the limit of concurrent calls.

    Args:
        tokens: Who may call; None: everyone.
        limit: How many calls at a time; None: any number.
        traced: Puts calls into spans; None: no traces.
        metrics: Where they are counted; None: where nobody else looks.

    Attributes:
        security_schemes: What the OpenAPI document says of the tokens.
    """

    def __init__(
        self,
        *,
        tokens: auth.Tokens | None = None,
        limit: ConcurrencyLimit | None = None,
        traced: Traced | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._tokens = tokens
        self.security_schemes = {} if tokens is None else auth.SECURITY_SCHEMES
        self._limit = limit
        self._observation = _Observation(
            limit, traced, metrics or Metrics(), with_caller=tokens is not None
        )

    def wrap(self, rpc: str, protocol: Protocol, run: RpcFunction) -> RpcFunction:
        """Follows `MethodInterceptor.wrap`."""
        identify = _adopt_from_core if protocol == "grpc" else adopt_header
        return self._observation.observed(rpc, protocol, run, identify, self._tokens_for(rpc))

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
        adopt(metadata)
        tokens = self._tokens_for(handler_call_details.method)
        if tokens is not None and not auth.admit(tokens, metadata):
            continuation = _refused
        return await self._observation.intercept_service(continuation, handler_call_details)

    def _tokens_for(self, rpc: str) -> auth.Tokens | None:
        return None if rpc.startswith(f"/{HEALTH}/") else self._tokens


class _Observation(MethodInterceptor):
    """What is left to do where the request id is known already, and the caller."""

    def __init__(
        self,
        limit: ConcurrencyLimit | None,
        traced: Traced | None,
        metrics: Metrics,
        *,
        with_caller: bool,
    ) -> None:
        self._further = _further_fields(with_caller=with_caller, traced=traced is not None)
        self._limit = limit
        self._traced = traced
        self._metrics = metrics

    def wrap(self, rpc: str, protocol: Protocol, run: RpcFunction) -> RpcFunction:
        """Follows `MethodInterceptor.wrap`."""
        return self.observed(rpc, protocol, run, _adopted, None)

    def observed(
        self,
        path: str,
        protocol: Protocol,
        run: RpcFunction,
        identify: Callable[[Context], str],
        tokens: auth.Tokens | None,
    ) -> RpcFunction:
        """Makes the one function of an RPC.

        Args:
            path: The gRPC path.
            protocol: What its callers speak.
            run: What is inside.
            identify: Gives the request id of a call.
            tokens: Who may call; None: everyone.
        """
        method = method_info(path, protocol)
        if self._limit is not None and not method.is_health:
            run = self._limit.limited(run)
        if tokens is not None:
            run = auth.guarded(tokens, run)
        metrics, log = self._metrics.of(method), AccessLog(method, self._further)
        with_id: Any = InTrailers if protocol == "grpc" else in_headers

        async def observed(request: Any, context: Context) -> Any:
            identity = identify(context)
            CALL.set(context)
            start = perf_counter()
            deadline = context.time_remaining()
            metrics.start()
            code = grpc.StatusCode.UNKNOWN
            try:
                response = await run(request, with_id(context, identity))
                code = final_code(None, context) if context.code() else grpc.StatusCode.OK
            except BaseException as error:
                code = final_code(error, context)
                raise
            finally:
                seconds = perf_counter() - start
                # Its caller has given up, or is told so, whatever the handler made of that.
                if deadline is not None and seconds >= deadline and code is grpc.StatusCode.OK:
                    code = grpc.StatusCode.DEADLINE_EXCEEDED
                metrics.end(code, seconds)
                log.write(code, seconds, deadline, context, identity)
                CALL.set(None)
            return response

        if self._traced is not None and not method.is_health:
            return self._traced(method, observed)
        return observed


def _further_fields(*, with_caller: bool, traced: bool) -> Callable[[], Mapping[str, str]] | None:
    """What the log says of calls where tokens or traces are asked for; it costs others nothing."""
    if not (with_caller or traced):
        return None

    def fields() -> Mapping[str, str]:
        who = auth.caller() if with_caller else None
        found = {} if who is None else {"caller": who.name}
        if traced and (trace_id := current_trace_id()):
            found["trace_id"] = trace_id
        return found

    return fields


def _adopt_from_core(context: Context) -> str:
    return adopt(RECEIVED.get() or context.invocation_metadata() or ())


def _adopted(_: Context) -> str:
    return REQUEST_ID.get()


async def _refused(_: grpc.HandlerCallDetails) -> Handler:
    return _REFUSED


_REFUSED = answering(auth.refuse)

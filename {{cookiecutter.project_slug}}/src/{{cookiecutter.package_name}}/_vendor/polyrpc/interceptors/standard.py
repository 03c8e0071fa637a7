"""The layer that runs all concerns around each call, of every protocol.

What they need to know of an RPC is looked up once, and they are put around its handler once, as
one function. Interceptors that each wrapped the handler anew, for every call, would cost a small
call a seventh of its time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, Self

import grpc

from ..rpc.caller import CALL
from ..rpc.errors import final_code
from ..rpc.handlers import Context, RpcFunction
from ..rpc.interception import MethodInterceptor
from ..rpc.method_info import MethodInfo, Protocol, method_info
from ..settings import ServiceSettings
from . import auth
from .access_log import AccessLog
from .concurrency_limit import ConcurrencyLimit
from .metrics import Metrics
from .request_id import adopt_header, adopt_metadata, in_headers, in_trailers
from .tracing import Traced, current_trace_id, tracing_from_environment

# An enumeration's members take long to look up.
_OK, _UNKNOWN = grpc.StatusCode.OK, grpc.StatusCode.UNKNOWN


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
        self._traced = traced
        self._metrics = metrics or Metrics()
        self._further = None if traced is None else _trace_field

    @classmethod
    def from_settings(cls, settings: ServiceSettings, metrics: Metrics) -> Self:
        """Makes the one that `settings` and the `OTEL_*` variables ask for.

        Args:
            settings: The settings.
            metrics: Where calls are counted.

        Raises:
            SettingsError: The variables ask for traces, but the extra `otel` is not installed.
        """
        limit = settings.max_concurrent_rpcs
        return cls(
            tokens=auth.Tokens.from_settings(settings),
            limit=None if limit is None else ConcurrencyLimit(limit),
            traced=tracing_from_environment(),
            metrics=metrics,
        )

    def wrap(self, rpc: str, protocol: Protocol, run: RpcFunction) -> RpcFunction:
        """Follows `MethodInterceptor.wrap`."""
        method = method_info(rpc, protocol)
        if not method.is_health:
            if self._limit is not None:
                run = self._limit.limited(run)
            if self._tokens is not None:
                run = auth.guarded(self._tokens, run)
        run = self._observed(method, run)
        if self._traced is not None and not method.is_health:
            run = self._traced(method, run)
        return run

    def _observed(self, method: MethodInfo, run: RpcFunction) -> RpcFunction:
        metrics, log = self._metrics.of(method), AccessLog(method, self._further)
        identify: Callable[[Context], str]
        return_id: Callable[[Context, str], None]
        if method.protocol == "grpc":
            identify, return_id = adopt_metadata, in_trailers
        else:
            identify, return_id = adopt_header, in_headers

        # The context is the protocol's own.
        async def observed(request: Any, context: Any) -> Any:
            identity = identify(context)
            CALL.set(context)
            start = perf_counter()
            deadline = context.time_remaining()
            metrics.start()
            code = _UNKNOWN
            try:
                return_id(context, identity)
                response = await run(request, context)
                code = _OK if context.code_set is None else final_code(None, context)
            except BaseException as error:
                code = final_code(error, context)
                raise
            finally:
                seconds = perf_counter() - start
                # Its caller has given up, or is told so, whatever the handler made of that.
                if deadline is not None and seconds >= deadline and code is _OK:
                    code = grpc.StatusCode.DEADLINE_EXCEEDED
                metrics.end(code, seconds)
                log.write(code, seconds, deadline, context, identity)
                CALL.set(None)
            return response

        return observed


def _trace_field() -> Mapping[str, str]:
    """What the log says of a call besides, where traces are asked for; it costs others nothing."""
    trace_id = current_trace_id()
    return {"trace_id": trace_id} if trace_id else {}

"""The interceptor that runs all concerns around each call, of either protocol.

What they need to know of an RPC is looked up once, and their layers around its handler are put on
once: a call finds them by its name. Interceptors that each wrapped the handler anew, for every
call, would cost a small call a seventh of its time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Literal, NoReturn, TypeAlias, cast

import grpc

from ..gateway.behaviours import Behaviour, Context, behaviour
from ..gateway.failures import final_code
from . import auth, request_id
from .limits import ConcurrencyLimit
from .metrics import RpcMetrics
from .request_log import RequestLog
from .rpc import HEALTH, Rpc, rpc_of
from .tracing import Traced

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Protocol = Literal["grpc", "http"]


class Concerns(grpc.aio.ServerInterceptor):
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
        self._limit = limit
        self._traced = traced
        self._layers: dict[Protocol, dict[str, _Layers]] = {"grpc": {}, "http": {}}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Follows `grpc.aio.ServerInterceptor.intercept_service`."""
        metadata: Any = handler_call_details.invocation_metadata
        request_id.adopt(metadata)
        handler: Handler | None
        if self._admits(handler_call_details.method, metadata):
            try:
                handler = await continuation(handler_call_details) or _NOT_FOUND
            except Exception as error:  # of an interceptor: to be observed as any other
                handler = _raising(error)
        else:
            handler = _REFUSED
        protocol: Protocol = getattr(handler_call_details, "protocol", "grpc")
        return self._layers_of(handler_call_details.method, protocol).around(handler)

    def _admits(self, path: str, metadata: auth.Metadata) -> bool:
        if self._tokens is None or path.startswith(HEALTH):
            return True
        caller = self._tokens.caller_of(metadata)
        if caller is None:
            return False
        auth.set_caller(caller)
        return True

    def _layers_of(self, path: str, protocol: Protocol) -> _Layers:
        known = self._layers[protocol]
        layers = known.get(path)
        if layers is None:
            rpc = rpc_of(path, protocol)
            limit = None if rpc.is_health else self._limit
            layers = _Layers(rpc, limit, None if rpc.is_health else self._traced)
            if rpc.known:  # callers can make up any number of others
                known[path] = layers
        return layers


class _Layers:
    """What is put around the handlers of one RPC: the same one at every call, as a rule."""

    def __init__(self, rpc: Rpc, limit: ConcurrencyLimit | None, traced: Traced | None) -> None:
        self._rpc = rpc
        self._limit = limit
        self._traced = traced
        self._metrics = RpcMetrics(rpc)
        self._log = RequestLog(rpc)
        self._innermost: Handler | None = None
        self._outermost: Handler | None = None

    def around(self, handler: Handler) -> Handler:
        if self._outermost is None or handler is not self._innermost:
            self._innermost, self._outermost = handler, self._put_around(handler)
        return self._outermost

    def _put_around(self, handler: Handler) -> Handler:
        over_http = self._rpc.protocol == "http"
        run = _with_messages(handler, over_http=over_http)
        if self._limit is not None:
            run = self._limit.limited(run)
        run = self._observed(run)
        if self._traced is not None:
            run = self._traced(self._rpc, run)
        return _handler(handler, run, over_http=over_http)

    def _observed(self, run: Behaviour) -> Behaviour:
        metrics, log = self._metrics, self._log
        with_id = (
            request_id.IdInHeaders if self._rpc.protocol == "http" else request_id.IdInTrailers
        )

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

        return observed


def _with_messages(handler: Handler, *, over_http: bool) -> Behaviour:
    """The behaviour of `handler`, with its single messages as bytes.

    Inside the layers they are read and written, so that a call that is refused is refused before
    its message is looked at, and one whose message cannot be read is observed like any other.
    """
    run = behaviour(handler)
    deserialize = handler.request_deserializer or _unchanged
    serialize = handler.response_serializer or _unchanged

    async def run_with_messages(request: Any, context: Context) -> Any:
        if not handler.request_streaming:
            request = await context.read() if over_http else deserialize(request)
        response = await run(request, context)
        if handler.response_streaming or final_code(None, context) is not grpc.StatusCode.OK:
            return None
        return serialize(response)

    return run_with_messages


def _handler(handler: Handler, run: Behaviour, *, over_http: bool) -> Handler:
    """A handler with `run` in place of the behaviour of `handler`.

    Over HTTP it always takes a stream, of one message where there is but one: the gateway would
    read a single message first, and answer by itself if that cannot be read.
    """
    request_streaming = handler.request_streaming or over_http
    make: Any = _MAKERS[request_streaming, handler.response_streaming]
    made: Handler = make(
        run,
        handler.request_deserializer if request_streaming else None,
        handler.response_serializer if handler.response_streaming else None,
    )
    return made


_MAKERS = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


def _answering(run: Behaviour) -> Handler:
    """A handler for any RPC: it is of the kind that reads no message before it answers."""
    handler: Handler = _MAKERS[True, True](cast(Any, run))
    return handler


def _raising(error: Exception) -> Handler:
    async def fail(_request: Any, _context: Context) -> NoReturn:
        raise error

    return _answering(fail)


async def _not_found(_request: Any, context: Context) -> NoReturn:
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")


def _unchanged(message: Any) -> Any:
    return message


_NOT_FOUND = _answering(_not_found)
_REFUSED = _answering(auth.refuse)

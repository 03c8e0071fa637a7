"""How the interceptors of a gateway are put around its RPCs: in one way, for every protocol.

From the outside in: those that are bound to an RPC at start (`MethodInterceptor`), as functions
around its handler; ordinary ones of `grpc.aio`, which are asked for a handler at every call; and
`Interceptor`s that none of these follow, which are part of the handler.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn, TypeAlias

import grpc

from .handlers import Context, Handler, RpcFunction
from .interceptors import Interceptor, check_interceptor, intercepted
from .metadata import Metadata
from .method_info import Protocol, method_info
from .methods import RpcMethod
from .status import CallError

Serve: TypeAlias = "Callable[[Handler], RpcFunction]"
"""Makes what runs a handler for what a protocol has in the place of a request."""
Find: TypeAlias = "Callable[[grpc.HandlerCallDetails, Any], Handler | None]"
"""Finds the handler of an RPC for one request; None: there is no such RPC."""


class MethodInterceptor(ABC):
    """An interceptor whose decision depends on the RPC alone.

    It costs a call no more than the function that `wrap` has made for its RPC.
    """

    @abstractmethod
    def wrap(self, rpc: str, protocol: Protocol, run: RpcFunction) -> RpcFunction:
        """Puts this interceptor around the handler of an RPC; called at start, not at every call.

        The request and the response are not for it to look at: it hands them on as they are.
        Messages are read and written inside `run`, so that a call that is refused is refused before
        its message is looked at, and one whose message cannot be read is observed like any other.

        Args:
            rpc: The gRPC path, such as `/greeter_service.v1.Greeter/SayHello`. Also of RPCs that
                there are not, of which callers can make up any number: nothing is to be kept by
                the name of an RPC.
            protocol: What its callers speak.
            run: What is inside.
        """


AnyInterceptor: TypeAlias = grpc.aio.ServerInterceptor | MethodInterceptor


class HandlerCallDetails(grpc.HandlerCallDetails):
    """What an ordinary interceptor is told of a call before it has a context.

    Attributes:
        protocol: What its caller speaks.
    """

    def __init__(self, method: str, invocation_metadata: Metadata, protocol: Protocol) -> None:
        self.method = method
        self.invocation_metadata = invocation_metadata
        self.protocol = protocol


class Interception:
    """The interceptors of a gateway.

    Args:
        interceptors: Outermost first; but `MethodInterceptor`s are outside of all others.

    Raises:
        TypeError: One is no interceptor, or its `intercept` is no coroutine function that takes
            what it is given.
    """

    def __init__(self, interceptors: Sequence[AnyInterceptor]) -> None:
        self._outer = [one for one in interceptors if isinstance(one, MethodInterceptor)]
        others = [one for one in interceptors if not isinstance(one, MethodInterceptor)]
        for interceptor in others:
            check_interceptor(interceptor)
        start = len(others)
        while start and isinstance(others[start - 1], Interceptor):
            start -= 1
        self._asked = others[:start]
        self._bound: Sequence[Any] = others[start:]

    def bind(self, method: RpcMethod, protocol: Protocol) -> RpcMethod:
        """Puts around an RPC's handler those interceptors that are part of it."""
        info = method_info(method.full_name, protocol)
        if info.is_health:
            return method
        return replace(method, handler=intercepted(method.handler, self._bound, info))

    def around(
        self, rpc: str, protocol: Protocol, handler: Handler | None, serve: Serve, find: Find
    ) -> RpcFunction:
        """Puts all the others around an RPC.

        Args:
            rpc: The gRPC path.
            protocol: What its callers speak.
            handler: The RPC's own; None: `find` is asked for it at every call.
            serve: Makes what runs a handler, inside of all interceptors.
            find: Finds the handlers that ordinary interceptors ask for.
        """
        run = self._asking(rpc, protocol, serve, find)
        if handler is not None and not self._asked:
            run = serve(handler)
        for interceptor in reversed(self._outer):
            run = interceptor.wrap(rpc, protocol, run)
        return run

    def _asking(self, rpc: str, protocol: Protocol, serve: Serve, find: Find) -> RpcFunction:
        asked = self._asked
        known: Handler | None = None
        run_known: RpcFunction = not_found

        async def following(
            index: int, request: Any, details: grpc.HandlerCallDetails
        ) -> Handler | None:
            if index == len(asked):
                return find(details, request)
            continuation = partial(following, index + 1, request)
            return await asked[index].intercept_service(continuation, details)

        async def ask(request: Any, context: Context) -> Any:
            nonlocal known, run_known
            metadata: Any = context.invocation_metadata() or ()
            handler = await following(0, request, HandlerCallDetails(rpc, metadata, protocol))
            if handler is None:
                return await not_found(request, context)
            run = run_known
            if handler is not known:
                # Interceptors that replace a handler put the same one in its place, as a rule.
                run = serve(handler)
                known, run_known = handler, run
            return await run(request, context)

        return ask


async def not_found(_request: object, _context: Context) -> NoReturn:
    """What runs for an RPC that there is not."""
    raise CallError(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")

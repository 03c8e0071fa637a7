"""Interceptors that see messages: one coroutine for RPCs of every kind, on every protocol."""

from __future__ import annotations

import asyncio
import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

import grpc

from .caller import Caller, set_caller
from .handlers import Context, Handler, RpcFunction, adapt, kind_of, make_handler
from .method_info import MethodInfo, Protocol, method_info

CallNext = Callable[[Any, Context], Awaitable[Any]]

_MOST_KNOWN = 1000
"""Handlers that one interceptor keeps between ordinary ones: callers can make up any name."""


class Interceptor(grpc.aio.ServerInterceptor, ABC):
    """Runs around the RPCs of the services, with their messages, whatever kind an RPC is of.

        class Audit(Interceptor):
            async def intercept(self, call_next, request, context, method):
                response = await call_next(request, context)
                logger.info("called", extra={"rpc": method.full_name})
                return response

    It is bound to each RPC once, when the gateway is made, so that a call costs no more than what
    `intercept` does. Where ordinary `grpc.aio` interceptors come after it in the list, it is one of
    them. Health checks do not pass it.
    """

    @abstractmethod
    async def intercept(
        self, call_next: CallNext, request: Any, context: Context, method: MethodInfo
    ) -> Any:
        """Runs one call; raise `CallError`, or call `context.abort()`, to refuse it.

        Args:
            call_next: Runs what is inside: `await call_next(request, context)` gives the response,
                or an asynchronous iterator of the responses of a stream.
            request: The message, or an asynchronous iterator of the messages of a stream.
            context: The call's `grpc.aio.ServicerContext`.
            method: Which RPC it is.

        Returns:
            The response, or an asynchronous iterator of responses.
        """

    @staticmethod
    def set_caller(name: str, claims: Mapping[str, Any] | None = None) -> None:
        """Says who makes the call that is being served; whoever says so last is believed.

        What comes after it has it as `caller()`, interceptors as well as the servicer; the line of
        the call in the log has the name as `caller`. `grpc.aio`'s own interceptors say so as well,
        and a middleware for routes.

        Args:
            name: One that may stand in the log, and in the same words each time, such as `sub`.
            claims: What else servicers want to know, as `caller().claims`; never logged.

        Raises:
            TypeError: The name is no text.
        """
        if not isinstance(name, str):
            raise TypeError(f"the name of a caller is text, not {type(name).__name__}")
        set_caller(Caller(name, claims or {}))

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Follows `grpc.aio.ServerInterceptor.intercept_service`."""
        handler = await continuation(handler_call_details)
        protocol: Protocol = getattr(handler_call_details, "protocol", "grpc")
        method = method_info(handler_call_details.method, protocol)
        if handler is None or method.is_health:
            return handler
        # Interceptors that replace a handler put the same one in its place, as a rule.
        known: dict[Any, tuple[Handler, Handler]] = self.__dict__.setdefault("_known_handlers", {})
        key = method.full_name, protocol
        found = known.get(key)
        if found is not None and found[0] is handler:
            return found[1]
        if len(known) >= _MOST_KNOWN:
            known.clear()
        known[key] = handler, intercepted(handler, [self], method)
        return known[key][1]


def check_interceptor(interceptor: object) -> None:
    """Refuses what is no interceptor.

    Raises:
        TypeError: It is none, or its `intercept` is no coroutine function that takes what it is
            given.
    """
    name = getattr(interceptor, "__name__", type(interceptor).__name__)
    if not isinstance(interceptor, grpc.aio.ServerInterceptor):
        made = ", made by calling it" if isinstance(interceptor, type) else ""
        raise TypeError(
            f"{name} is no interceptor: it must be an instance of polyrpc.Interceptor or "
            f"grpc.aio.ServerInterceptor{made}"
        )
    if not isinstance(interceptor, Interceptor):
        return
    if not inspect.iscoroutinefunction(interceptor.intercept):
        raise TypeError(f"{name}.intercept must be a coroutine function (`async def`, no `yield`)")
    try:
        inspect.signature(interceptor.intercept).bind("call_next", "request", "context", "method")
    except TypeError:
        raise TypeError(
            f"{name}.intercept must take (self, call_next, request, context, method)"
        ) from None


def intercepted(
    handler: Handler, interceptors: Sequence[Interceptor], method: MethodInfo
) -> Handler:
    """Makes a handler like `handler` that runs `interceptors`, outermost first, around it."""
    if not interceptors:
        return handler
    run: CallNext = _responses(handler) if handler.response_streaming else adapt(handler)
    if handler.request_streaming:
        run = _with_requests(run)
    for interceptor in reversed(interceptors):
        run = _around(interceptor, run, method)
    if handler.request_streaming:
        run = _with_original(run)
    if handler.response_streaming:
        run = _write_all(run, method)
    kind = handler.request_streaming, handler.response_streaming
    return make_handler(kind, run, handler.request_deserializer, handler.response_serializer)


def _around(interceptor: Interceptor, call_next: CallNext, method: MethodInfo) -> CallNext:
    intercept = interceptor.intercept

    async def run(request: Any, context: Context) -> Any:
        return await intercept(call_next, request, context, method)

    return run


def _write_all(run: CallNext, method: MethodInfo) -> RpcFunction:
    async def write_all(request: Any, context: Context) -> None:
        responses = await run(request, context)
        if not hasattr(responses, "__aiter__"):
            raise TypeError(
                f"an interceptor of {method.full_name} returned {type(responses).__name__}, "
                "not an asynchronous iterator of responses"
            )
        try:
            async for response in responses:
                await context.write(response)
        finally:
            close = getattr(responses, "aclose", None)
            if close is not None:
                await close()

    return write_all


class _Requests(AsyncIterator[Any]):
    """The requests of a stream as they come: interceptors may hand on others in their place."""

    __slots__ = ("_iterator", "original")

    def __init__(self, original: Any) -> None:
        self.original = original
        # Made when it is needed: grpc.aio's complains when nobody asks it for anything.
        self._iterator: AsyncIterator[Any] | None = None

    def __anext__(self) -> Awaitable[Any]:
        if self._iterator is None:
            self._iterator = aiter(self.original)
        return anext(self._iterator)


def _with_original(run: CallNext) -> CallNext:
    async def run_with_original(requests: Any, context: Context) -> Any:
        return await run(_Requests(requests), context)

    return run_with_original


def _with_requests(run: CallNext) -> CallNext:
    """Has also a servicer that calls `context.read()` get the requests that it is handed."""

    async def run_with_requests(requests: Any, context: Context) -> Any:
        if type(requests) is _Requests:
            return await run(requests.original, context)
        requests = aiter(requests)
        return await run(requests, cast(Context, _ReadingContext(context, requests)))

    return run_with_requests


def _responses(handler: Handler) -> CallNext:
    """What gives the responses of a servicer, however it is written, as an iterator."""
    function = getattr(handler, kind_of(handler.request_streaming, True))
    if inspect.isasyncgenfunction(function):

        async def responses(request: Any, context: Context) -> AsyncIterator[Any]:
            return cast(AsyncIterator[Any], function(request, context))

        return responses

    run = adapt(handler)

    async def written(request: Any, context: Context) -> AsyncIterator[Any]:
        return _written(run, request, context)

    return written


async def _written(run: RpcFunction, request: Any, context: Context) -> AsyncGenerator[Any, None]:
    """Yields what `run` writes: it runs in a task of its own, one message ahead at most."""
    messages: asyncio.Queue[Any] = asyncio.Queue(1)
    task = asyncio.ensure_future(run(request, cast(Context, _WritingContext(context, messages))))
    message: asyncio.Future[Any] = task
    try:
        while True:
            message = asyncio.ensure_future(messages.get())
            await asyncio.wait({message, task}, return_when=asyncio.FIRST_COMPLETED)
            if not message.done():
                message.cancel()
                if messages.empty():
                    break
                yield messages.get_nowait()
            else:
                yield message.result()
        await task
    finally:
        task.cancel()
        message.cancel()
        # What they raise is raised above, unless nobody asks for more.
        await asyncio.gather(task, message, return_exceptions=True)


class _OtherContext:
    """A context that differs from another one in what its subclass says."""

    __slots__ = ("_context",)

    def __init__(self, context: Context) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


class _ReadingContext(_OtherContext):
    """One whose requests are those of an iterator."""

    __slots__ = ("_requests",)

    def __init__(self, context: Context, requests: AsyncIterator[Any]) -> None:
        super().__init__(context)
        self._requests = requests

    async def read(self) -> Any:
        return await anext(self._requests, grpc.aio.EOF)


class _WritingContext(_OtherContext):
    """One whose responses go into a queue."""

    __slots__ = ("_messages",)

    def __init__(self, context: Context, messages: asyncio.Queue[Any]) -> None:
        super().__init__(context)
        self._messages = messages

    async def write(self, message: Any) -> None:
        await self._messages.put(message)

"""The context of a native call, as servicers and ordinary interceptors have it.

`grpc.aio` lets through arguments that it cannot send, and then leaves the caller without a status.
Here they are refused at once, as they are over HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, NoReturn, TypeAlias

import grpc

from ..rpc.handlers import Context, RpcFunction
from ..rpc.metadata import Metadatum, checked
from ..rpc.status import WITHOUT_MESSAGE, check_details, status_code

logger = logging.getLogger("polyrpc.native")

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
RawMetadata = Iterable[tuple[str, str | bytes]]


class AbortedWithOkError(grpc.aio.AbortError):
    """A handler of streamed responses ends its call, although not as a failure."""


class NativeContext(grpc.aio.ServicerContext[Any, Any]):
    """Behaves to a servicer or interceptor as the context of a call over HTTP does.

    Args:
        context: The context as it comes from `grpc.aio`, or what layers have made of it.
        response_streaming: Whether the RPC may end with OK and no message.

    Attributes:
        interrupted: The handler was cancelled.
    """

    interrupted = False

    def __init__(self, context: Context, *, response_streaming: bool) -> None:
        self._context = context
        self._response_streaming = response_streaming

    def read(self) -> Coroutine[Any, Any, Any]:
        return self._context.read()

    def write(self, message: Any) -> Coroutine[Any, Any, None]:
        return self._context.write(message)

    async def send_initial_metadata(self, initial_metadata: RawMetadata) -> None:
        await self._context.send_initial_metadata(_entries(initial_metadata))

    async def abort(
        self,
        code: grpc.StatusCode,
        details: str = "",
        trailing_metadata: RawMetadata = (),
    ) -> NoReturn:
        check_details(details)
        trailing = _entries(trailing_metadata)
        if status_code(code) is grpc.StatusCode.OK and not self.done():
            # `grpc.aio` would take it for an abort, but not tell the caller.
            if self._response_streaming:
                if trailing:
                    self._context.set_trailing_metadata(trailing)
                raise AbortedWithOkError
            code, details = grpc.StatusCode.UNKNOWN, WITHOUT_MESSAGE
        await self._context.abort(code, details or "", trailing)

    async def abort_with_status(self, status: grpc.Status) -> NoReturn:
        await self.abort(status.code, status.details, status.trailing_metadata or ())

    def set_trailing_metadata(self, trailing_metadata: RawMetadata) -> None:
        self._context.set_trailing_metadata(_entries(trailing_metadata))

    def trailing_metadata(self) -> Any:
        return self._context.trailing_metadata()

    def invocation_metadata(self) -> Any:
        return self._context.invocation_metadata()

    def set_code(self, code: grpc.StatusCode) -> None:
        # What `grpc.aio` makes of None when the call ends, it does not tell before.
        self._context.set_code(grpc.StatusCode.UNKNOWN if code is None else code)

    def code(self) -> Any:
        return self._context.code()

    def set_details(self, details: str) -> None:
        check_details(details)
        self._context.set_details(details or "")

    def details(self) -> Any:
        return self._context.details()

    def set_compression(self, compression: grpc.Compression | None) -> None:
        chosen: Any = None if compression is None else grpc.Compression(compression)
        self._context.set_compression(chosen)

    def disable_next_message_compression(self) -> None:
        self._context.disable_next_message_compression()

    def peer(self) -> str:
        return self._context.peer()

    def peer_identities(self) -> Iterable[bytes] | None:
        return self._context.peer_identities()

    def peer_identity_key(self) -> str | None:
        return self._context.peer_identity_key()

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        return self._context.auth_context()

    def time_remaining(self) -> Any:
        return self._context.time_remaining()

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        def run(_context: object) -> None:
            try:
                callback(self)
            except Exception:  # one must not keep the others from running
                logger.exception("A done callback failed")

        done: Any = run
        self._context.add_done_callback(done)

    def cancelled(self) -> bool:
        return self.interrupted or self._context.cancelled()

    def done(self) -> bool:
        return self._context.done()


def in_native_context(handler: Handler, run: RpcFunction) -> RpcFunction:
    """Gives `run`, which is what `handler` does, a `NativeContext` instead of `grpc.aio`'s own."""
    response_streaming = bool(handler.response_streaming)

    async def run_in_context(request: Any, context: Context) -> Any:
        own = NativeContext(context, response_streaming=response_streaming)
        try:
            return await run(request, own)
        except asyncio.CancelledError:
            own.interrupted = True
            raise

    return run_in_context


def _entries(metadata: RawMetadata | None) -> tuple[Metadatum, ...]:
    return checked(metadata) if metadata else ()

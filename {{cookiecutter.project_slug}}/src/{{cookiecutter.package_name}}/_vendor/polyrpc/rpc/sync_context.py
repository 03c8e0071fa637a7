"""The context of a servicer method that is a plain `def`, which runs in a thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import CancelledError, Future
from typing import Any, NoReturn

import grpc

logger = logging.getLogger("polyrpc.rpc")

_FINISHED = "RPC already finished."


class SyncServicerContext(grpc.ServicerContext):
    """Blocks its thread while the asynchronous context, on the event loop, does the work."""

    def __init__(
        self, context: grpc.aio.ServicerContext[Any, Any], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._context = context
        self._loop = loop
        self._callbacks: list[Callable[[], None]] = []
        self._waiting: set[Future[Any]] = set()
        self._active = True

    def terminate(self) -> None:
        """Ends the RPC as the method sees it, and runs its callbacks."""
        self._active = False
        # The method goes on for as long as it likes; what it has begun to send does not.
        for future in list(self._waiting):
            future.cancel()
        for callback in self._callbacks:
            try:
                callback()
            except Exception:  # one must not keep the others from running, nor become the end
                logger.exception("A callback failed")

    def write(self, message: Any) -> None:
        """Sends one message of a streamed response; returns when there is room for the next."""
        self._wait_for(self._context.write(message))

    def is_active(self) -> bool:
        return self._active

    def time_remaining(self) -> float:
        return self._context.time_remaining()

    def cancel(self) -> bool:
        raise grpc.aio.UsageError("a server ends its own call with abort()")

    def add_callback(self, callback: Callable[[], None]) -> bool:
        if self._active:
            self._callbacks.append(callback)
        return self._active

    def invocation_metadata(self) -> Any:
        return self._context.invocation_metadata()

    def peer(self) -> str:
        return self._context.peer()

    def peer_identities(self) -> Iterable[bytes] | None:
        return self._context.peer_identities()

    def peer_identity_key(self) -> str | None:
        return self._context.peer_identity_key()

    def auth_context(self) -> Any:
        return self._context.auth_context()

    def set_compression(self, compression: grpc.Compression) -> None:
        self._context.set_compression(compression)

    def disable_next_message_compression(self) -> None:
        self._context.disable_next_message_compression()

    def send_initial_metadata(self, initial_metadata: Any) -> None:
        self._wait_for(self._context.send_initial_metadata(initial_metadata))

    def set_trailing_metadata(self, trailing_metadata: Any) -> None:
        self._context.set_trailing_metadata(trailing_metadata)

    def trailing_metadata(self) -> Any:
        return self._context.trailing_metadata()

    def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Any = ()
    ) -> NoReturn:
        self._wait_for(self._context.abort(code, details, trailing_metadata))
        raise AssertionError("abort() always raises")

    def abort_with_status(self, status: grpc.Status) -> NoReturn:
        self._wait_for(self._context.abort_with_status(status))
        raise AssertionError("abort_with_status() always raises")

    def set_code(self, code: grpc.StatusCode) -> None:
        self._context.set_code(code)

    def code(self) -> grpc.StatusCode:
        return self._context.code()

    def set_details(self, details: str) -> None:
        self._context.set_details(details)

    def details(self) -> Any:
        return self._context.details()

    def _wait_for(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        if not self._active:
            coroutine.close()
            raise grpc.aio.UsageError(_FINISHED)
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        self._waiting.add(future)
        if not self._active:  # It has ended just now.
            future.cancel()
        try:
            future.result()
        except CancelledError:
            raise grpc.aio.UsageError(_FINISHED) from None
        finally:
            self._waiting.discard(future)

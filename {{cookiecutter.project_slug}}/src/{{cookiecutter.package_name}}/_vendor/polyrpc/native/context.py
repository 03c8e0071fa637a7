"""The context of a native call, as servicers and ordinary interceptors have it.

`grpc.aio` lets through arguments that it cannot send, and then leaves the caller without a status.
Here they are refused at once, as they are over HTTP.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from time import monotonic
from typing import Any, NoReturn

import grpc

from ..rpc.caller import Caller
from ..rpc.errors import AbortedWithOkError
from ..rpc.handlers import Context
from ..rpc.metadata import Metadatum, checked, metadatum
from ..rpc.status import WITHOUT_MESSAGE, check_details, status_code

logger = logging.getLogger("polyrpc.native")

RawMetadata = Iterable[tuple[str, str | bytes]]
Reader = Callable[[], Coroutine[Any, Any, Any]]
Writer = Callable[[Any], Coroutine[Any, Any, None]]


class NativeContext(grpc.aio.ServicerContext[Any, Any]):
    """Behaves to a servicer or interceptor as the context of a call over HTTP does.

    Args:
        context: The context as it comes from `grpc.aio`. Its messages are bytes.
        response_streaming: Whether the call may end with OK and no message.

    Attributes:
        response_streaming: As given.
        code_set: The status code as it was set, or None.
        deadline: The one that the server has set, in seconds of `time.monotonic`, or None.
        interrupted: The handler was cancelled.
        caller: Who makes the call, as far as somebody has said so.
    """

    # What every call begins with; it has attributes of its own for what changes.
    code_set: Any = None
    deadline: float | None = None
    interrupted = False
    caller: Caller | None = None
    _received: Any = None
    _reader: Reader | None = None
    _writer: Writer | None = None
    _trailing: tuple[Metadatum, ...] = ()
    _added: tuple[Metadatum, ...] = ()

    def __init__(self, context: Context, response_streaming: bool) -> None:
        self._context = context
        self.response_streaming = response_streaming

    # What the library uses.

    @property
    def receive(self) -> Reader:
        """Waits for the bytes of the next message of a stream, or its end."""
        return self._context.read

    @property
    def send(self) -> Writer:
        """Sends the bytes of one message of a stream."""
        return self._context.write

    def attach(self, reader: Reader | None, writer: Writer | None) -> None:
        """Connects `read` and `write` to the request and the response, where those stream."""
        self._reader = reader
        self._writer = writer

    def add_trailer(self, key: str, value: str) -> None:
        """Has one more entry sent with the trailing metadata, whatever becomes of the call."""
        self._added = (*self._added, metadatum((key, value)))
        self._context.set_trailing_metadata((*self._trailing, *self._added))

    # grpc.aio.ServicerContext.

    async def read(self) -> Any:
        return grpc.aio.EOF if self._reader is None else await self._reader()

    def write(self, message: Any) -> Coroutine[Any, Any, None]:
        if self._writer is None:
            raise grpc.aio.UsageError("write() is for methods that answer a stream")
        return self._writer(message)

    async def send_initial_metadata(self, initial_metadata: RawMetadata) -> None:
        await self._context.send_initial_metadata(checked(initial_metadata))

    async def abort(
        self,
        code: grpc.StatusCode,
        details: str = "",
        trailing_metadata: RawMetadata = (),
    ) -> NoReturn:
        check_details(details)
        trailing = checked(trailing_metadata)
        if status_code(code) is grpc.StatusCode.OK and not self.done():
            # `grpc.aio` would take it for an abort, but not tell the caller.
            if self.response_streaming:
                if trailing:
                    self.set_trailing_metadata(trailing)
                raise AbortedWithOkError
            code, details = grpc.StatusCode.UNKNOWN, WITHOUT_MESSAGE
        code = _known(code)
        if not self.done():
            self.code_set = code
        # Those that are given replace what was set before.
        await self._context.abort(code, details or "", trailing and (*trailing, *self._added))

    async def abort_with_status(self, status: grpc.Status) -> NoReturn:
        await self.abort(status.code, status.details, status.trailing_metadata or ())

    def set_trailing_metadata(self, trailing_metadata: RawMetadata) -> None:
        self._trailing = checked(trailing_metadata)
        self._context.set_trailing_metadata((*self._trailing, *self._added))

    def trailing_metadata(self) -> Any:
        return self._context.trailing_metadata()

    def invocation_metadata(self) -> Any:
        if self._received is None:
            # gRPC's core converts them anew whenever it is asked.
            self._received = self._context.invocation_metadata()
        return self._received

    def set_code(self, code: grpc.StatusCode) -> None:
        # What `grpc.aio` makes of None when the call ends, it does not tell before.
        code = grpc.StatusCode.UNKNOWN if code is None else _known(code)
        self._context.set_code(code)
        self.code_set = code

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
        if self.deadline is None:
            return self._context.time_remaining()
        return max(self.deadline - monotonic(), 0.0)

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


def _known(code: Any) -> Any:
    # Of numbers, `grpc.aio` knows those below UNAUTHENTICATED's.
    return status_code(code) if isinstance(code, int) else code

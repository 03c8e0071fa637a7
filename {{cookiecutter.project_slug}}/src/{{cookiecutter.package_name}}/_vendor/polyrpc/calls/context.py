"""The `grpc.aio.ServicerContext` of a call that came over HTTP."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from time import monotonic
from typing import Any, NoReturn

import grpc

from ..rpc.caller import Caller
from ..rpc.errors import AbortedWithOkError
from ..rpc.metadata import Metadata, checked, metadatum
from ..rpc.status import WITHOUT_MESSAGE, check_details, status_code
from .metadata import invocation_metadata
from .peer import peer_address, tls_properties

logger = logging.getLogger("polyrpc.calls")

Reader = Callable[[], Awaitable[Any]]
Writer = Callable[[Any], Awaitable[None]]


class HttpServicerContext(grpc.aio.ServicerContext[Any, Any]):
    """Behaves to a servicer or interceptor as the context of a native call does.

    Attributes:
        scope: The ASGI connection scope.
        deadline: When the call must have ended, in seconds of `time.monotonic`, or None. (The
            clock of a uvloop stands still while the loop is busy.)
        expired: The deadline has passed and the handler was cancelled.
        disconnected: The client has gone away and the handler was cancelled.
        headers: Those of the response that are no metadata.
        initial_metadata: What the servicer sent.
        trailing: The trailing metadata as they stand.
        code_set: The status code as the servicer set it, or None.
        aborted: The exception that ended the call early, once there is one.
        finished: The RPC has ended.
        callbacks: What is to be done then.
        headers_sent: The response has started: initial metadata can no longer be set.
        reserved: The names of request headers that are no metadata, as the protocol has it.
        compression: What the servicer has chosen for its responses; None: it has not.
        next_uncompressed: The next message is not to be compressed.
        caller: Who makes the call, as far as somebody has said so.
        stream: Where the messages of the response go if they can be many.
    """

    # What every call begins with; it has attributes of its own for what changes.
    deadline: float | None = None
    expired = False
    disconnected = False
    headers: Sequence[tuple[bytes, bytes]] = ()
    initial_metadata: Metadata = ()
    aborted: Exception | None = None
    headers_sent = False
    reserved: Collection[bytes] = ()
    compression: grpc.Compression | None = None
    next_uncompressed = False
    caller: Caller | None = None
    stream: Any = None
    _invocation_metadata: Metadata | None = None
    trailing: Metadata = ()
    _added: Metadata = ()
    code_set: Any = None
    _details = ""
    _initial_metadata_sent = False
    finished = False
    callbacks: Sequence[Callable[[Any], None]] = ()
    _reader: Reader | None = None
    _writer: Writer | None = None

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self.scope = scope

    # What the gateway uses.

    @property
    def answers_stream(self) -> bool:
        """Whether the call may end with OK and no message."""
        return self.stream is not None

    def attach(self, reader: Reader | None, writer: Writer | None) -> None:
        """Connects `read` and `write` to the request and the response, where those stream."""
        self._reader = reader
        self._writer = writer

    def status(self) -> grpc.StatusCode:
        """The status code as it stands: OK unless the servicer set another one."""
        return grpc.StatusCode.OK if self.code_set is None else status_code(self.code_set)

    def end(self, code: grpc.StatusCode, details: str) -> None:
        """Has the context tell how the call has ended, where that was not the servicer's word."""
        self.code_set, self._details = code, details

    def run_callbacks(self) -> None:
        """Runs the done callbacks, once the RPC has finished."""
        for callback in self.callbacks:
            try:
                callback(self)
            except Exception:  # one must not keep the others from running
                logger.exception("A done callback failed")

    def add_header(self, name: bytes, value: bytes) -> None:
        """Has one more header sent with the response, whatever becomes of the call."""
        self.headers = (*self.headers, (name, value))

    def add_trailer(self, key: str, value: str) -> None:
        """Has one more entry sent with the trailing metadata, whatever becomes of the call."""
        entry = metadatum((key, value))
        self._added = (*self._added, entry)
        self.trailing = (*self.trailing, entry)

    def header(self, name: bytes) -> bytes | None:
        """Gives the value of a request header, without reading all of the metadata.

        Args:
            name: In lower case; of a header that repeats, the first one counts.
        """
        for other, value in self.scope["headers"]:
            if other == name:
                found: bytes = value
                return found
        return None

    # grpc.aio.ServicerContext.

    async def read(self) -> Any:
        self._raise_if_terminated()
        message = grpc.aio.EOF if self._reader is None else await self._reader()
        self._raise_if_terminated()
        return message

    async def write(self, message: Any) -> None:
        if self.finished or self.aborted is not None:
            self._raise_if_terminated()
        if self._writer is None:
            raise grpc.aio.UsageError("write() is for methods that answer a stream")
        await self._writer(message)

    async def send_initial_metadata(
        self, initial_metadata: Iterable[tuple[str, str | bytes]]
    ) -> None:
        self._raise_if_terminated()
        if self._initial_metadata_sent or self.headers_sent:
            raise grpc.aio.UsageError("Send initial metadata failed: already sent")
        self.initial_metadata = checked(initial_metadata)
        self._initial_metadata_sent = True

    async def abort(
        self,
        code: grpc.StatusCode,
        details: str = "",
        trailing_metadata: Iterable[tuple[str, str | bytes]] = (),
    ) -> NoReturn:
        if self.aborted is not None:
            raise grpc.aio.UsageError("Abort already called!")
        check_details(details)
        trailing = checked(trailing_metadata)
        kind = grpc.aio.AbortError
        if status_code(code) is grpc.StatusCode.OK:
            if self.answers_stream:
                kind = AbortedWithOkError
            else:
                code, details = grpc.StatusCode.UNKNOWN, WITHOUT_MESSAGE
        self.aborted = kind("Locally aborted.")
        if trailing:
            self.trailing = (*trailing, *self._added)
        self._details = details or self._details
        self.set_code(code)
        raise self.aborted

    async def abort_with_status(self, status: grpc.Status) -> NoReturn:
        await self.abort(status.code, status.details, status.trailing_metadata or ())

    def set_trailing_metadata(self, trailing_metadata: Iterable[tuple[str, str | bytes]]) -> None:
        self.trailing = (*checked(trailing_metadata), *self._added)

    def trailing_metadata(self) -> Any:
        return self.trailing

    def invocation_metadata(self) -> Any:
        if self._invocation_metadata is None:
            self._invocation_metadata = invocation_metadata(self.scope["headers"], self.reserved)
        return self._invocation_metadata

    def set_code(self, code: grpc.StatusCode) -> None:
        # None stands for a code that has not been set; as a code, it is none that there is.
        self.code_set = grpc.StatusCode.UNKNOWN if code is None else code

    def code(self) -> Any:
        return self.code_set

    def set_details(self, details: str) -> None:
        check_details(details)
        self._details = details or ""

    def details(self) -> str:
        return self._details

    def set_compression(self, compression: grpc.Compression | None) -> None:
        """Follows `grpc.aio`; JSON routes are compressed by middleware or a proxy, if at all."""
        if self.headers_sent or self._initial_metadata_sent:
            raise RuntimeError(
                "Compression setting must be specified before sending initial metadata"
            )
        self.compression = None if compression is None else grpc.Compression(compression)

    def disable_next_message_compression(self) -> None:
        self.next_uncompressed = True

    def peer(self) -> str:
        return peer_address(self.scope)

    def peer_identities(self) -> Iterable[bytes] | None:
        key = self.peer_identity_key()
        return None if key is None else self.auth_context()[key]

    def peer_identity_key(self) -> str | None:
        properties = self.auth_context()
        for key in ("x509_subject_alternative_name", "x509_common_name"):
            if key in properties:
                return key
        return None

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        return tls_properties(self.scope)

    def time_remaining(self) -> Any:
        if self.deadline is None:
            return None
        return max(self.deadline - monotonic(), 0.0)

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self.callbacks = (*self.callbacks, callback)

    def cancelled(self) -> bool:
        return self.expired or self.disconnected or self.status() is grpc.StatusCode.CANCELLED

    def done(self) -> bool:
        return self.finished or self.aborted is not None

    def _raise_if_terminated(self) -> None:
        if self.aborted is not None:
            raise self.aborted
        if self.finished:
            raise grpc.aio.UsageError("RPC already finished.")

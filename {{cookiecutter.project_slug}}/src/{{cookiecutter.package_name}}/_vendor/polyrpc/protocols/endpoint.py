"""One RPC by one protocol and codec: what all of them do for each request."""

from __future__ import annotations

from abc import ABC, abstractmethod
from time import monotonic
from typing import NamedTuple

from ..calls.call import Call
from ..calls.http_stream import BeginAnswer
from ..calls.incoming import Receive
from ..calls.messages import RequestMessages
from ..calls.metadata import check_binary
from ..calls.refusals import refusal_events
from ..calls.response import Answering, Event, Send
from ..calls.runner import CallRunner, Scope
from ..rpc.metadata import Headers
from ..rpc.status import CallError
from .codecs import BYTES, Codec
from .compression import Compressing


class RequestHead(NamedTuple):
    """What is to be known of a call before its messages are read.

    Attributes:
        timeout: Seconds until the deadline; None: the caller has set none.
        compressing: Of messages.
    """

    timeout: float | None = None
    compressing: Compressing = Compressing()


UNREADABLE = RequestHead()
"""Of a request whose headers are refused."""


class WireEndpoint(ABC):
    """Answers the requests of one RPC that have one content type.

    Args:
        runner: Runs the calls of the RPC by this protocol.
        codec: Reads and writes its messages.
        max_message_bytes: The limit for each request message, after decompression.
        default_timeout: Seconds for calls that come without a deadline; None: no limit.

    Attributes:
        max_body_bytes: How long the body of a request of one message may be.
    """

    max_body_bytes: int

    def __init__(
        self,
        runner: CallRunner,
        codec: Codec,
        max_message_bytes: int,
        default_timeout: float | None,
    ) -> None:
        self.runner = runner
        self.codec = codec
        self.max_message_bytes = max_message_bytes
        self.default_timeout = default_timeout

    @abstractmethod
    def answer(self, scope: Scope, receive: Receive, send: Send) -> Answering:
        """Begins to answer one request."""

    @abstractmethod
    def straight(self, scope: Scope) -> BeginAnswer | None:
        """What answers all requests of a connection that say this, without ASGI; None: nothing."""

    @abstractmethod
    def messages(self, head: RequestHead) -> RequestMessages:
        """Makes what reads the messages of a request."""

    def _limit_time(self, call: Call, timeout: float | None) -> None:
        if timeout is None:
            timeout = self.default_timeout
        if timeout is not None:
            call.deadline = monotonic() + timeout


class _Refusal:
    def __init__(self, refusal: CallError) -> None:
        self._refusal = refusal

    def events(self, call: Call, outcome: CallError | None) -> tuple[Event, ...]:
        """Follows `LastEvents`; an interceptor that answers in its own way is not heard."""
        return refusal_events(outcome or self._refusal, call)


def refuse(
    runner: CallRunner, refusal: CallError, scope: Scope, receive: Receive, send: Send
) -> Answering:
    """Refuses a request that is of none of the protocols at its path.

    That comes after the interceptors, which may have reasons of their own: strangers, for one, are
    not told that there is an RPC.
    """
    call = Call(scope, receive, BYTES.decode, BYTES.encode, 0)
    call.refuse(refusal)
    return runner.run(call, send, _Refusal(refusal))


def check_metadata(headers: Headers) -> None:
    """Looks at the binary metadata of a request.

    Raises:
        CallError: INVALID_ARGUMENT, some is no base64.
    """
    for name, value in headers:
        if name[-4:] == b"-bin":
            check_binary(name, value)

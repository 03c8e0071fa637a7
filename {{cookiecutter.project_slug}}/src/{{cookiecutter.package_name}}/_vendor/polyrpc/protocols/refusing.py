"""Requests at an RPC's path that are of none of its protocols."""

from __future__ import annotations

from collections.abc import Sequence

from ..calls.call import Call
from ..calls.incoming import Receive
from ..calls.refusals import refusal_events
from ..calls.response import Event, Send
from ..calls.runner import CallRunner, Scope
from ..rpc.status import CallError
from .codecs import BYTES
from .endpoint import WireEndpoint


class RefusingEndpoint(WireEndpoint):
    """Refuses them, after the interceptors, which may have reasons of their own.

    Strangers, for one, are not told that there is an RPC.

    Args:
        runner: Runs the calls of the RPC.
        refusal: What is wrong with the requests.
    """

    def __init__(self, runner: CallRunner, refusal: CallError) -> None:
        super().__init__(runner, BYTES, 0, None)
        self._refusal = refusal

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Follows `WireEndpoint.answer`."""
        call = Call(scope, receive, _nothing, self.max_message_bytes)
        call.refuse(self._refusal)
        await self._settle(call, send, self)

    def events(self, call: Call, outcome: CallError | None) -> Sequence[Event]:
        """Follows `LastEvents.events`; an interceptor that answers in its own way is not heard."""
        return refusal_events(outcome or self._refusal, call)


def _nothing(_response: object) -> bytes:
    return b""

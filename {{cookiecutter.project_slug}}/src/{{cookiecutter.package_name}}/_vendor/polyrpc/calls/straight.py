"""Answers straight on streams of HTTP/2: what all calls of that kind have in common."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Protocol

from ..rpc.metadata import Headers
from ..rpc.status import CallError
from .response import Event
from .runner import WAITING, CallRunner, judged
from .stream_call import HttpStream, StreamCall

logger = logging.getLogger("polyrpc.calls")


class BeginAnswer(Protocol):
    """What answers requests straight on streams of HTTP/2."""

    def __call__(self, stream: HttpStream, /) -> Coroutine[Any, Any, None]:
        """Makes the handler of a stream, and what has to run to answer it."""

    def with_timeout(self, headers: Headers, name: bytes, value: bytes, /) -> BeginAnswer | None:
        """What answers requests that differ in nothing but in how long their calls may take.

        Args:
            headers: Theirs.
            name: The one that says so.
            value: Its value.

        Returns:
            None: it is to be found as that of any other request.
        """


class Settles(Protocol):
    """A response."""

    async def settle(self, call: StreamCall, outcome: CallError | None) -> None:
        """Sends what is left when the call has ended; None: it has succeeded."""


async def answer_straight(
    runner: CallRunner,
    call: StreamCall,
    response: Settles,
) -> None:
    """Runs a call and sends what is left of its response.

    Args:
        runner: Runs it.
        call: The call.
        response: Its response.
    """
    try:
        outcome = runner.begin(call)
        if outcome is WAITING:
            outcome = await runner.finish(call)
        outcome = judged(call, outcome)
        if not call.disconnected:
            await response.settle(call, outcome)
    except asyncio.CancelledError:  # The time to stop is over.
        call.http.fail()
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # such as SystemExit: it ends the call, not the service
        logger.error("Unexpected %s of a response", type(error).__name__, exc_info=error)
        call.http.fail()
    finally:
        call.finished = True
        if call.callbacks:
            call.run_callbacks()


async def send_whole(stream: HttpStream, start: Event, last: Event) -> None:
    """Sends a response of two events of ASGI, of whose headers many have the first."""
    status, headers, body = start["status"], start["headers"], last["body"]
    if status != 200 or not stream.send_whole((headers[0],), headers[1:], body, None):
        stream.send_headers(status, headers)
        await stream.send(body, end=True)

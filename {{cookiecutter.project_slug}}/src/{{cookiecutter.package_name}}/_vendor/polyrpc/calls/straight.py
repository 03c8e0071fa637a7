"""Answers straight on streams of HTTP/2: what all calls of that kind have in common."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from ..rpc.status import CallError
from .http_stream import HttpStream
from .response import Event
from .runner import WAITING, CallRunner, judged
from .stream_call import StreamCall

logger = logging.getLogger("polyrpc.calls")


class Settles(Protocol):
    """A response."""

    async def settle(self, call: StreamCall, outcome: CallError | None) -> None:
        """Sends what is left when the call has ended; None: it has succeeded."""


async def answer_straight(
    runner: CallRunner,
    call: StreamCall,
    response: Settles,
) -> None:
    """Runs a call and sends what is left of its response."""
    try:
        outcome = runner.begin(call)
        if outcome is WAITING:
            outcome = await runner.finish(call)
        if not call.disconnected:
            await response.settle(call, judged(call, outcome))
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

"""Calls straight on streams of HTTP/2: what all protocols do for each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from ..calls.call import Call
from ..calls.stream_call import StreamCall
from ..rpc.status import CallError
from .endpoint import judged

logger = logging.getLogger("polyrpc.protocols")


class Settles(Protocol):
    """A response."""

    async def settle(self, call: StreamCall, outcome: CallError | None) -> None:
        """Sends what is left when the call has ended; None: it has succeeded."""


async def answer_straight(
    run: Callable[[Call], Awaitable[CallError | None]],
    call: StreamCall,
    response: Settles,
) -> None:
    """Runs a call and sends what is left of its response.

    Args:
        run: Runs it.
        call: The call.
        response: Its response.
    """
    try:
        outcome = judged(call, await run(call))
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

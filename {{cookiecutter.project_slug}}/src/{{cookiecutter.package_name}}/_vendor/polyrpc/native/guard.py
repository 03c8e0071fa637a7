"""What every native call passes first, so that it ends as the same call over HTTP does."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

import grpc

from ..rpc.errors import STOPPING, AbortedWithOkError, failure_of
from ..rpc.handlers import Context, RpcFunction
from ..rpc.status import CallError, status_code
from .context import NativeContext
from .graceful_stop import GracefulStop


def guarded(
    run: RpcFunction,
    rpc: str,
    default_timeout: float | None,
    departure: GracefulStop,
    *,
    response_streaming: bool,
) -> RpcFunction:
    """Puts around a native handler what `grpc.aio` lacks.

    The text of unexpected exceptions is kept from callers, whom `grpc.aio` would send it; calls
    that come without a deadline get the default one; the server can part from its clients.

    Args:
        run: The handler, whose messages are bytes; it gets a `NativeContext`.
        rpc: The full name of the RPC, for the log.
        default_timeout: In seconds; None: no limit.
        departure: Through which the calls pass.
        response_streaming: Whether the RPC answers a stream.
    """
    if default_timeout is not None:
        run = _within(default_timeout, run)
    in_flight = departure.in_flight

    async def guarded_run(request: Any, core: Context) -> Any:
        if departure.gate is not None:
            await departure.admit()
        task: Any = asyncio.current_task()
        in_flight.add(task)
        context = NativeContext(core, response_streaming)
        try:
            return await run(request, context)
        except AbortedWithOkError:
            return None
        except asyncio.CancelledError:
            context.interrupted = True
            failure = _cancellation(task, departure)
        except grpc.aio.AbortError as error:
            if core.done():
                raise
            # It is not the one of this call's own `abort`.
            failure = failure_of(error, rpc, status_code(core.code() or 0))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # the caller is told no more than `failure` says
            if isinstance(error, GeneratorExit) and asyncio.current_task() is not task:
                raise  # The task is thrown away.
            failure = failure_of(error, rpc, status_code(core.code() or 0))
        finally:
            in_flight.discard(task)
        return await _end(core, failure)

    return guarded_run


def _cancellation(task: asyncio.Task[Any], departure: GracefulStop) -> CallError:
    """How a call ends that was cancelled: not by its caller, if it is to hear of it at all."""
    if departure.ended(task) or task.cancelling():
        # As long as it counts as cancelled, it cannot wait for the status to be sent.
        while task.cancelling():
            task.uncancel()
        return CallError(grpc.StatusCode.UNAVAILABLE, STOPPING)
    # The handler has let out the cancellation of another task.
    return CallError(grpc.StatusCode.CANCELLED, "Cancelled")


async def _end(context: Context, failure: CallError) -> bytes:
    try:
        await context.abort(failure.code, failure.detail)
    except grpc.aio.UsageError:  # An abort has come before, and has been said: it stays the end.
        return b""
    except grpc.aio.InternalError:  # The caller has gone, or a message is just being sent.
        raise asyncio.CancelledError from None


def _within(seconds: float, run: RpcFunction) -> RpcFunction:
    async def run_within(request: Any, context: Any) -> Any:
        if context.time_remaining() is not None:
            return await run(request, context)
        context.deadline = monotonic() + seconds
        try:
            async with asyncio.timeout(seconds) as limit:
                response = await run(request, context)
        except Exception:
            # Whatever the handler makes of its cancellation, the reason is the deadline.
            if not limit.expired():
                raise
        else:
            if monotonic() < context.deadline:
                return response
        raise CallError(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")

    return run_within

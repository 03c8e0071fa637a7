"""How a call ends: what its caller learns of an exception, whichever protocol it called by."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import grpc

from .status import UNEXPECTED, CallError, status_code

logger = logging.getLogger("polyrpc.rpc")

STOPPING = "the server is stopping"
"""Said to callers whose calls outlast the grace of a stop, and to the tasks that it cancels."""

NOT_IMPLEMENTED = "Method not implemented!"
"""What callers of an RPC that is left to the generated base class are told, as by gRPC itself."""

_CLOCK_SKEW = 0.01
"""Seconds by which a caller that gives up at its deadline may be ahead of the server."""


class AbortedWithOkError(grpc.aio.AbortError):
    """A handler of streamed responses ends its call early, although not as a failure."""


def failure_of(error: BaseException, rpc: str, code: grpc.StatusCode) -> CallError:
    """Turns what a handler or interceptor raised into the status of the call.

    The error of an RPC that the servicer made itself keeps its code and details. Any other
    exception is logged with its traceback, and the caller is told nothing of it; except for what
    the generated base class raises for an RPC that the servicer does not have.

    Args:
        error: What was raised.
        rpc: The full name of the RPC, for the log.
        code: The code that the servicer had set before; it wins over UNKNOWN, as in `grpc.aio`.
    """
    failure = _rpc_failure(error)
    if failure is not None:
        return failure
    if isinstance(error, NotImplementedError) and code is grpc.StatusCode.UNIMPLEMENTED:
        return CallError(code, NOT_IMPLEMENTED)
    logger.error("Unexpected %s raised by %s", type(error).__name__, rpc, exc_info=error)
    return CallError(_unexpected(code), UNEXPECTED)


def final_code(
    error: BaseException | None, context: grpc.aio.ServicerContext[Any, Any]
) -> grpc.StatusCode:
    """Tells an interceptor the status code that its call will end with.

    Args:
        error: What the handler raised; None after it returned.
        context: The context of the call.
    """
    code = status_code(context.code() or grpc.StatusCode.OK)
    if error is None or isinstance(error, AbortedWithOkError):
        return code
    if isinstance(error, asyncio.CancelledError):
        if error.args == (STOPPING,):
            return grpc.StatusCode.UNAVAILABLE
        remaining: float | None = context.time_remaining()
        if remaining is not None and remaining < _CLOCK_SKEW:
            return grpc.StatusCode.DEADLINE_EXCEEDED
        return grpc.StatusCode.CANCELLED
    failure = _rpc_failure(error)
    return _unexpected(code) if failure is None else failure.code


def _rpc_failure(error: BaseException) -> CallError | None:
    if isinstance(error, CallError):
        return error
    if not isinstance(error, grpc.RpcError):
        return None
    code, details = _told(error, "code"), _told(error, "details")
    upstream = grpc.StatusCode.OK if code is None else status_code(code)
    if upstream is grpc.StatusCode.OK:
        return None
    if isinstance(details, bytes):
        details = details.decode(errors="replace")
    return CallError(upstream, details if isinstance(details, str) else "")


def _told(error: grpc.RpcError, name: str) -> Any:
    """What a method of `error` returns; None: anybody's errors are such, and it has none."""
    try:
        return getattr(error, name)()
    except Exception:  # what fails here must not take the place of what has failed before
        return None


def _unexpected(code: grpc.StatusCode) -> grpc.StatusCode:
    return grpc.StatusCode.UNKNOWN if code is grpc.StatusCode.OK else code

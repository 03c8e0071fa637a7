"""What a caller learns of an exception, whichever protocol it called by."""

from __future__ import annotations

import logging

import grpc

from .status import UNEXPECTED, CallFailed, status_code

logger = logging.getLogger(__name__)


def failure_of(error: Exception, rpc: str, code: grpc.StatusCode) -> CallFailed:
    """Turns what a handler or interceptor raised into the status of the call.

    The error of an RPC that the servicer made itself keeps its code and details. Any other
    exception is logged with its traceback, and the caller is told nothing of it.

    Args:
        error: What was raised.
        rpc: The full name of the RPC, for the log.
        code: The code that the servicer had set before; it wins over UNKNOWN, as in `grpc.aio`.
    """
    if isinstance(error, CallFailed):
        return error
    if isinstance(error, grpc.RpcError) and callable(getattr(error, "code", None)):
        upstream = status_code(error.code())
        if upstream is not grpc.StatusCode.OK:
            return CallFailed(upstream, error.details() or "")
    logger.error("Unexpected %s raised by %s", type(error).__name__, rpc, exc_info=error)
    return CallFailed(grpc.StatusCode.UNKNOWN if code is grpc.StatusCode.OK else code, UNEXPECTED)

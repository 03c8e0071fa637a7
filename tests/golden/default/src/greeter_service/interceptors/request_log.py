"""The request log: one line for each RPC, without payloads and metadata."""

from __future__ import annotations

import logging
from typing import Any

import grpc

from ..logs import EventRecord
from .request_id import request_id
from .rpc import Rpc

logger = logging.getLogger(__name__)

_OUR_FAULT = frozenset(
    (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS)
)


class RequestLog:
    """Writes the lines of one RPC: as errors where the service is at fault.

    Args:
        rpc: The RPC; of health checks only failures are more than debugging messages.
    """

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc
        self._level = logging.DEBUG if rpc.is_health else logging.INFO

    def write(
        self,
        code: grpc.StatusCode,
        seconds: float,
        deadline: float | None,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> None:
        """Writes a line.

        Args:
            code: How the call ended.
            seconds: How long it took.
            deadline: How many seconds it might have taken; None: as many as it liked.
            context: The context of the call.
        """
        level = logging.ERROR if code in _OUR_FAULT else self._level
        if not logger.isEnabledFor(level):
            return
        fields = {
            "protocol": self._rpc.protocol,
            "service": self._rpc.service,
            "method": self._rpc.method,
            "code": code.name,
            "duration_ms": round(seconds * 1e3, 3),
            "peer": context.peer(),
            "request_id": request_id(),
        }
        if deadline is not None:
            fields["deadline_ms"] = round(deadline * 1e3, 3)
        logger.handle(EventRecord(logger, level, "call", fields))

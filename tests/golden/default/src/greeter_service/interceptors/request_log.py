"""The request log: one line for each RPC, without payloads and metadata."""

from __future__ import annotations

import logging
import re
from time import time
from typing import Any

import grpc

from ..gateway.behaviours import Context
from ..logs import EventRecord, opening, pipe_of, text
from .rpc import Rpc

logger = logging.getLogger(__name__)

_OUR_FAULT = frozenset(
    (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS)
)
_EVENT = "call"
_PLAIN = re.compile(r"[!#-\[\]-~]*")
"""What stands in JSON as it is: printable ASCII but for quotation marks and backslashes."""

_Call = tuple[float, grpc.StatusCode, float, float | None, str, str]
"""When it ended, status, duration and deadline in seconds, peer, request id."""


class RequestLog:
    """Writes the lines of one RPC: as errors where the service is at fault.

    Args:
        rpc: The RPC; of health checks only failures are more than debugging messages.
    """

    def __init__(self, rpc: Rpc) -> None:
        self._level = logging.DEBUG if rpc.is_health else logging.INFO
        self._names = {"protocol": rpc.protocol, "service": rpc.service, "method": rpc.method}
        self._same: dict[grpc.StatusCode, str] = {}

    def write(
        self,
        code: grpc.StatusCode,
        seconds: float,
        deadline: float | None,
        context: Context,
        request_id: str,
    ) -> None:
        """Writes a line.

        Args:
            code: How the call ended.
            seconds: How long it took.
            deadline: How many seconds it might have taken; None: as many as it liked.
            context: The context of the call.
            request_id: Its id.
        """
        level = logging.ERROR if code in _OUR_FAULT else self._level
        if not logger.isEnabledFor(level):
            return
        call = (time(), code, seconds, deadline, context.peer(), request_id)
        # Whoever listens for errors besides the log, such as Sentry, gets a record of those.
        pipe = pipe_of(logger, level) if level < logging.ERROR else None
        if pipe is None:
            logger.handle(EventRecord(logger, level, _EVENT, call[0], self._fields(call)))
        else:
            pipe.write_later(self._line, call)

    def _line(self, call: _Call) -> bytes:
        """The line that an `EventRecord` of these fields has, put together by hand."""
        created, code, seconds, deadline, peer, request_id = call
        same = self._same.get(code)
        if same is None:
            same = self._same[code] = text({**self._names, "code": code.name})[1:-1]
        if _PLAIN.fullmatch(peer) and _PLAIN.fullmatch(request_id):
            ids = f'"peer":"{peer}","request_id":"{request_id}"'
        else:
            ids = text({"peer": peer, "request_id": request_id})[1:-1]
        end = "" if deadline is None else f',"deadline_ms":{deadline * 1e3:.3f}'
        start = opening(created, self._level, _EVENT)
        line = f'{start},{same},"duration_ms":{seconds * 1e3:.3f},{ids}{end}'
        return (line + "}\n").encode()

    def _fields(self, call: _Call) -> dict[str, Any]:
        _, code, seconds, deadline, peer, request_id = call
        fields = {
            **self._names,
            "code": code.name,
            "duration_ms": round(seconds * 1e3, 3),
            "peer": peer,
            "request_id": request_id,
        }
        if deadline is not None:
            fields["deadline_ms"] = round(deadline * 1e3, 3)
        return fields

"""The request log: one line for each RPC, without payloads and metadata."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from time import time
from typing import Any

import grpc

from ..log_pipe import EventRecord, JsonLinesHandler, handler_of, text, until_second
from ..rpc.method_info import MethodInfo

logger = logging.getLogger("polyrpc.interceptors")

_OUR_FAULT = frozenset(
    (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS)
)
_EVENT = "call"
_OK = grpc.StatusCode.OK
_Call = tuple[float, grpc.StatusCode, float, float | None, str, str, Mapping[str, str]]
"""When it ended, status, duration and deadline in seconds, peer, request id, further fields."""

_NOTHING: Mapping[str, str] = {}


class AccessLog:
    """Writes the lines of one RPC: as errors where the service is at fault.

    Args:
        method: The RPC; of health checks only failures are more than debugging messages.
        further: Gives what else there is to say of the call that the task serves; None: nothing.
    """

    def __init__(
        self, method: MethodInfo, further: Callable[[], Mapping[str, str]] | None = None
    ) -> None:
        self._further = further
        self._level = logging.DEBUG if method.is_health else logging.INFO
        self._names = {
            "protocol": method.protocol,
            "service": method.service,
            "method": method.name,
        }
        self._form_of_success = self._form(_OK)
        self._pipe: JsonLinesHandler | None = None

    def write(
        self,
        code: grpc.StatusCode,
        seconds: float,
        deadline: float | None,
        context: Any,
        request_id: str,
    ) -> None:
        """Writes a line.

        Args:
            code: How the call ended.
            seconds: How long it took.
            deadline: How many seconds it might have taken; None: as many as it liked.
            context: The protocol's own context of the call.
            request_id: Its id.
        """
        if code is not _OK and code in _OUR_FAULT:
            # Whoever listens for errors besides the log, such as Sentry, gets a record.
            pipe, level = None, logging.ERROR
        else:
            pipe, level = self._pipe, self._level
            if pipe is None or not pipe.is_waiting:
                # Where lines go is asked for the first of those that are written together.
                if not logger.isEnabledFor(level):
                    return
                pipe = self._pipe = handler_of(logger, level)
        further = _NOTHING if self._further is None else self._further()
        if context.caller is not None:
            further = {"caller": context.caller.name, **further}
        call = (time(), code, seconds, deadline, context.peer(), request_id, further)
        if pipe is not None:
            pipe.write_later(self._line, call)
        elif logger.isEnabledFor(level):
            logger.handle(EventRecord(logger, level, _EVENT, call[0], self._fields(call)))

    def _line(self, call: _Call) -> bytes:
        """The line that an `EventRecord` of these fields has, put together by hand."""
        created, code, seconds, deadline, peer, request_id, further = call
        second = int(created)
        form = self._form_of_success if code is _OK else self._form(code)
        line = form % (
            until_second(second),
            (created - second) * 1e6,
            seconds * 1e3,
            _in_quotes(peer),
            _in_quotes(request_id),
            "" if deadline is None else f',"deadline_ms":{deadline * 1e3:.3f}',
            f",{text(further)[1:-1]}" if further else "",
        )
        return line.encode()

    def _form(self, code: grpc.StatusCode) -> str:
        """All of a line that is the same for every call with this status."""
        level = logging.getLevelName(self._level).lower()
        head = text({"level": level, "event": _EVENT, **self._names, "code": code.name})[1:-1]
        form = (
            f'"timestamp":"%s.%06dZ",{head.replace("%", "%%")},"duration_ms":%.3f,'
            '"peer":"%s","request_id":"%s"%s%s'
        )
        return "{" + form + "}\n"

    def _fields(self, call: _Call) -> dict[str, Any]:
        _, code, seconds, deadline, peer, request_id, further = call
        fields: dict[str, Any] = {
            **self._names,
            "code": code.name,
            "duration_ms": round(seconds * 1e3, 3),
            "peer": peer,
            "request_id": request_id,
        }
        if deadline is not None:
            fields["deadline_ms"] = round(deadline * 1e3, 3)
        return {**fields, **further}


def _in_quotes(value: str) -> str:
    """What stands for `value`, which has no control characters, between quotation marks in JSON."""
    return text(value)[1:-1] if '"' in value or "\\" in value else value

"""WebSockets of the application's own routes: how what is raised, or not accepted, closes them."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from ..calls.response import AsgiApp
from .errors import error_response, log_unexpected, respond_to
from .imports import Connection, LilyaHTTPException, WebSocketDisconnect, WebSocketException
from .routing import CLIENT_CLOSED, Visit

# Codes of RFC 6455, section 7.4.
_LEAST_CODE = 1000
_ABNORMAL_CLOSURE, POLICY_VIOLATION, _INTERNAL_ERROR = 1006, 1008, 1011
_FORBIDDEN = "the WebSocket was not accepted"


async def talk(app: AsgiApp, visit: Visit, scope: Any, receive: Any, send: Any) -> None:
    """Runs `app` for a WebSocket, and closes that when something is raised."""

    async def send_or_disconnect(event: Any) -> None:
        error, closes = sys.exception(), event["type"] == "websocket.close"
        if error is not None and closes and event.get("code", _LEAST_CODE) < _LEAST_CODE:
            # In some routes the framework would tell the client what was raised.
            raise error
        try:
            if closes and not visit.status:
                await deny(visit, scope, send, event.get("code", POLICY_VIOLATION))
            else:
                await send(event)
        except OSError:  # As ASGI has it: nobody is there any more.
            raise WebSocketDisconnect(_ABNORMAL_CLOSURE) from None

    try:
        try:
            await app(scope, receive, send_or_disconnect)
        except (LilyaHTTPException, WebSocketException) as error:
            if visit.status:
                await send(_close_event(error))
            else:
                denial = error if isinstance(error, LilyaHTTPException) else None
                await deny(visit, scope, send, POLICY_VIOLATION, denial)
        except (asyncio.CancelledError, WebSocketDisconnect):
            raise
        except Exception as error:
            visit.is_cut = True
            if visit.status or not _may_answer(scope):
                log_unexpected(error, f"the WebSocket {visit.route}")
            if visit.status:
                await send(_closing(_INTERNAL_ERROR))
            else:
                await deny(visit, scope, send, _INTERNAL_ERROR, error)
    except asyncio.CancelledError:
        visit.status = visit.status or CLIENT_CLOSED
        raise
    except (WebSocketDisconnect, OSError):
        visit.status = visit.status or CLIENT_CLOSED


async def deny(
    visit: Visit, scope: Any, send: Any, code: int, error: Exception | None = None
) -> None:
    """Answers the handshake of a WebSocket that is not accepted.

    Args:
        visit: What is known of it.
        scope: Its ASGI scope.
        send: ASGI's `send`.
        code: With what it is closed where the server takes no answer, but answers 403 itself.
        error: What the answer is to say; None: 403.
    """
    if not _may_answer(scope):
        visit.status = 403
        await send(_closing(code))
        return
    if error is None:
        response = error_response(403, _FORBIDDEN)
    else:
        response = await respond_to(error, Connection({**scope, "type": "http", "method": "GET"}))
    await response(scope, _nothing, send)


def _may_answer(scope: Any) -> bool:
    return "websocket.http.response" in (scope.get("extensions") or ())


def _close_event(error: Any) -> Any:
    # The same as the framework's own, but for exceptions of other kinds, whose text it tells.
    if isinstance(error, LilyaHTTPException):
        return _closing(4000 + (error.status_code or 500), error.detail)
    return _closing(error.code, error.reason)


def _closing(code: int, reason: str | None = None) -> Any:
    return {"type": "websocket.close", "code": code, "reason": reason or ""}


async def _nothing() -> Any:
    raise AssertionError("a response asks for nothing")

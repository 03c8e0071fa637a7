"""What stands around the application's own routes, as `interceptors` stand around RPCs.

Request ids, tokens, a log line, metrics and the error body hold for whatever the framework's
router finds: the documentation, and routes that you add. Calls of RPCs have all of that from their
interceptors, and most of them do not even come this way (`gateway/shortcut.py`).
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import perf_counter, time
from typing import Any

import grpc

from ..calls.peer import peer_address
from ..interceptors import auth, request_id
from ..interceptors.registry import Metrics
from ..log_pipe import EventRecord
from ..rpc.method_info import UNKNOWN
from .errors import ROUTE, answer_alike, code_of, error_response, log_unexpected, respond_to
from .imports import (
    Connection,
    DefineMiddleware,
    LilyaHTTPException,
    Match,
    MethodNotAllowed,
    NotAuthenticated,
    NotFound,
    Request,
    WebSocketDisconnect,
    WebSocketException,
)
from .multipart import boundary_of, with_whole_delimiters
from .routing import Destination, destination

logger = logging.getLogger("polyrpc.framework")

App = Callable[[Any, Any, Any], Awaitable[None]]

_VISIT = "own_routes.visit"
_REQUEST_ID = request_id.KEY.encode("ascii")
_NOT_FOUND = "Not Found"
_WITHOUT_BODY = ("GET", "HEAD")
_METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
)
_STARTS = ("http.response.start", "websocket.http.response.start", "websocket.accept")
_SWITCHED, _CLIENT_CLOSED = 101, 499
_LEAST_CODE = 1000
_ABNORMAL_CLOSURE, _POLICY_VIOLATION, _INTERNAL_ERROR = 1006, 1008, 1011
_FORBIDDEN = "the WebSocket was not accepted"


def around_routes(
    tokens: auth.Tokens | None = None,
    middleware: Sequence[Any] = (),
    metrics: Metrics | None = None,
    max_body_bytes: int | None = None,
) -> list[Any]:
    """Makes the middleware of an application.

    Args:
        tokens: Who may call its own routes; None: everyone.
        middleware: Further ones. Each sees all requests, and the responses to strangers as well;
            with any, RPCs too take the longer way through the framework.
        metrics: Where requests are counted; None: where nobody else looks.
        max_body_bytes: How large a body may be that the framework reads into memory: any but
            those of multipart forms, whose files it puts on disk. None: any size.
    """
    return [
        DefineMiddleware(Observation, metrics=metrics or Metrics()),
        *middleware,
        DefineMiddleware(Entrance, tokens=tokens, max_body_bytes=max_body_bytes),
    ]


@dataclass(slots=True)
class _Visit:
    """What becomes known of a request on its way.

    Attributes:
        route: The pattern of the route that it reaches.
        is_open: Whether that is an `OpenGateway`.
        is_of_an_rpc: Whether an RPC answers it, which does by itself what there is to do.
        status: The HTTP status of the response, once that has begun.
        is_cut: Whether the rest of the response is missing.
    """

    route: str = UNKNOWN
    is_open: bool = False
    is_of_an_rpc: bool = False
    status: int = 0
    is_cut: bool = False


class Observation:
    """The outermost middleware: request ids, the log and metrics; what is raised ends here.

    Args:
        app: The next.
        metrics: Where requests are counted.
    """

    skips_rpcs = True

    def __init__(self, app: App, metrics: Metrics) -> None:
        self.app = app
        self._metrics = metrics

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        visit = scope[_VISIT] = _Visit()
        identity = request_id.adopt(
            (request_id.KEY, value.decode("latin-1"))
            for name, value in scope["headers"]
            if name == _REQUEST_ID
        )
        start = perf_counter()

        async def send_with_id(event: Any) -> None:
            if event["type"] in _STARTS:
                visit.status = event.get("status", _SWITCHED)
                if not visit.is_of_an_rpc:
                    event = _with_header(event, _REQUEST_ID, identity.encode("ascii"))
            await send(event)

        answering = _answering if scope["type"] == "http" else _talking
        try:
            await answering(self.app, visit, scope, receive, send_with_id)
        finally:
            if not visit.is_of_an_rpc:
                _record(self._metrics, scope, visit, perf_counter() - start, identity)


class Entrance:
    """The innermost middleware: looks where the router is about to go, and who wants to go there.

    Whatever it finds is guarded, but for what it knows to be open: `OpenGateway`, and RPCs, which
    ask for tokens by themselves. It asks the routes, as the router does: what a path looks like,
    and where the application is mounted, does not count.

    Args:
        app: The next.
        tokens: Who may call; None: everyone.
        max_body_bytes: How large a body may be that the framework reads into memory.
    """

    skips_rpcs = True

    def __init__(
        self, app: App, tokens: auth.Tokens | None = None, max_body_bytes: int | None = None
    ) -> None:
        self.app = app
        self._tokens = tokens
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        visit: _Visit = scope[_VISIT]
        if scope["type"] == "http":
            await _answering(self._enter, visit, scope, receive, send)
        else:
            await self._enter_websocket(scope, receive, send)

    async def _enter(self, scope: Any, receive: Any, send: Any) -> None:
        visit: _Visit = scope[_VISIT]
        # The `$` of the router's patterns would overlook a last newline.
        overlooked = scope["path"].endswith("\n")
        found = Destination() if overlooked else destination(scope["app"].routes, scope)
        visit.route, visit.is_open = found.path, found.is_open
        scope[ROUTE] = found.path
        if found.is_of_an_rpc:
            # Of a wrong method, its interceptors hear nothing.
            visit.is_of_an_rpc = found.match is Match.FULL
            await self.app(scope, receive, send)
            return
        if not found.is_open and not self._admits(scope):
            raise NotAuthenticated(detail=auth.DETAIL)
        if found.match is Match.NONE:
            # The router would look whether a slash more or less helps, and send the caller there.
            raise NotFound(detail=_NOT_FOUND)
        for mounted in found.mounted:
            answer_alike(mounted)
        allow = _allow(found.methods)
        if scope["method"] == "HEAD" and "GET" in found.methods and "HEAD" not in found.methods:
            # The framework's patterns take it, its handlers refuse it.
            scope, send = {**scope, "method": "GET"}, _without_body(send)
        elif found.match is Match.PARTIAL and not found.has_middleware:
            raise MethodNotAllowed(
                detail=f"the method must be one of: {allow}", headers={"allow": allow}
            )
        if scope["method"] in _WITHOUT_BODY:
            # Or the framework would read it all, and take it for JSON.
            receive = _without_request_body(receive)
        elif boundary := boundary_of(scope):
            receive = with_whole_delimiters(receive, boundary)
        elif found.reads_body and self._max_body_bytes:
            receive = _bounded(receive, self._max_body_bytes)

        async def send_allow(event: Any) -> None:
            if event["type"] == "http.response.start" and allow and _lacks_allow(event):
                event = _with_header(event, b"allow", allow.encode("ascii"))
            await send(event)

        await _answering(self.app, visit, scope, receive, send_allow)

    async def _enter_websocket(self, scope: Any, receive: Any, send: Any) -> None:
        visit: _Visit = scope[_VISIT]
        visit.route = scope[ROUTE] = destination(scope["app"].routes, scope).path
        if self._admits(scope):
            await _talking(self.app, visit, scope, receive, send)
        else:
            await _deny(visit, scope, send, _POLICY_VIOLATION)

    def _admits(self, scope: Any) -> bool:
        return self._tokens is None or auth.admit(
            self._tokens,
            ((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
        )


def _record(metrics: Metrics, scope: Any, visit: _Visit, seconds: float, identity: str) -> None:
    # Callers can make up any number of them.
    method = scope.get("method", "GET")
    if method not in _METHODS:
        method = "_OTHER"
    # Of a response that never began, the server tells the caller so.
    status = visit.status or 500
    metrics.of_route(method, visit.route, status).observe(seconds)
    code = grpc.StatusCode.INTERNAL if visit.is_cut else code_of(status)
    level = logging.DEBUG if visit.is_open else logging.INFO
    if code is grpc.StatusCode.INTERNAL:
        level = logging.ERROR
    if logger.isEnabledFor(level):
        fields = {
            "protocol": "http",
            "method": method,
            "path": visit.route,
            "status": status,
            "code": code.name,
            "duration_ms": round(seconds * 1e3, 3),
            "peer": peer_address(scope),
            "request_id": identity,
        }
        logger.handle(EventRecord(logger, level, "request", time(), fields))


async def _answering(app: App, visit: _Visit, scope: Any, receive: Any, send: Any) -> None:
    """Runs `app`, and answers what it raises as far as that is still possible."""
    try:
        await app(scope, receive, send)
    except asyncio.CancelledError:
        visit.status = visit.status or 499
        raise
    except Exception as error:
        if visit.status:
            # Returning with the response incomplete makes the server cut the connection.
            visit.is_cut = True
            log_unexpected(error, f"{visit.route}, whose response had begun")
            return
        response = await respond_to(error, Request(scope, receive, send))
        await response(scope, receive, send)


async def _talking(app: App, visit: _Visit, scope: Any, receive: Any, send: Any) -> None:
    """Runs `app` for a WebSocket, and closes that when something is raised."""

    async def send_or_disconnect(event: Any) -> None:
        error, closes = sys.exception(), event["type"] == "websocket.close"
        if error is not None and closes and event.get("code", _LEAST_CODE) < _LEAST_CODE:
            # In some routes the framework would tell the client what was raised.
            raise error
        try:
            if closes and not visit.status:
                await _deny(visit, scope, send, event.get("code", _POLICY_VIOLATION))
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
                await _deny(visit, scope, send, _POLICY_VIOLATION, denial)
        except (asyncio.CancelledError, WebSocketDisconnect):
            raise
        except Exception as error:
            visit.is_cut = True
            if visit.status or not _may_answer(scope):
                log_unexpected(error, f"the WebSocket {visit.route}")
            if visit.status:
                await send(_closing(_INTERNAL_ERROR))
            else:
                await _deny(visit, scope, send, _INTERNAL_ERROR, error)
    except asyncio.CancelledError:
        visit.status = visit.status or _CLIENT_CLOSED
        raise
    except (WebSocketDisconnect, OSError):
        visit.status = visit.status or _CLIENT_CLOSED


async def _deny(
    visit: _Visit, scope: Any, send: Any, code: int, error: Exception | None = None
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


def _allow(methods: set[str]) -> str:
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))


def _lacks_allow(event: Any) -> bool:
    for name, value in event.get("headers", ()):
        if name.lower() == b"allow":
            # The framework writes a Python set there.
            return bytes(value).startswith(b"{")
    return bool(event["status"] == 405)


def _with_header(event: Any, name: bytes, value: bytes) -> Any:
    others = [header for header in event.get("headers", ()) if header[0].lower() != name]
    return {**event, "headers": [*others, (name, value)]}


def _without_body(send: Any) -> Any:
    async def send_head(event: Any) -> None:
        await send({**event, "body": b""} if event["type"] == "http.response.body" else event)

    return send_head


def _bounded(receive: Any, max_bytes: int) -> Any:
    received = 0

    async def receive_bounded() -> Any:
        nonlocal received
        event = await receive()
        received += len(event.get("body", b""))
        if received > max_bytes:
            raise LilyaHTTPException(
                status_code=413, detail=f"the body is larger than {max_bytes} bytes"
            )
        return event

    return receive_bounded


def _without_request_body(receive: Any) -> Any:
    given = False

    async def receive_end() -> Any:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": b"", "more_body": False}
        while (event := await receive())["type"] != "http.disconnect":
            pass
        return event

    return receive_end

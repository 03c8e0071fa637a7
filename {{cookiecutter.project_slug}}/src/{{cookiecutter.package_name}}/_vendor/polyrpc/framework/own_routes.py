"""What stands around the application's own routes, as `interceptors` stand around RPCs.

Request ids, tokens, a log line, metrics and the error body hold for whatever the framework's
router finds: the documentation, and routes that you add. Calls of RPCs have all of that from their
interceptors, and most of them do not even come this way (`fast_path.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from time import perf_counter, time
from typing import Any

import grpc

from ..calls.context import HttpServicerContext
from ..calls.metadata import invocation_metadata
from ..calls.peer import peer_address
from ..calls.response import AsgiApp
from ..http.headers import is_from_another_site
from ..interceptors import auth, request_id
from ..interceptors.metrics import Metrics
from ..log_pipe import EventRecord
from ..origins import Origins
from ..rpc.caller import caller
from ..rpc.metadata import Headers
from .asgi_events import (
    with_bounded_body,
    with_header,
    without_request_body,
    without_response_body,
)
from .errors import ROUTE, answer_alike, code_of, log_unexpected, respond_to
from .imports import (
    DefineMiddleware,
    Match,
    MethodNotAllowed,
    NotAuthenticated,
    NotFound,
    Request,
)
from .multipart import boundary_of, with_whole_delimiters
from .own_websockets import POLICY_VIOLATION, deny, talk
from .routing import CLIENT_CLOSED, VISIT, Destination, Visit, destination

logger = logging.getLogger("polyrpc.framework")

_NOT_FOUND = "Not Found"
_WITHOUT_BODY = ("GET", "HEAD")
_METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
)
_STARTS = ("http.response.start", "websocket.http.response.start", "websocket.accept")
_SWITCHED = 101


def around_routes(
    tokens: auth.Tokens | None = None,
    middleware: Sequence[Any] = (),
    metrics: Metrics | None = None,
    max_body_bytes: int | None = None,
    origins: str | None = None,
) -> list[Any]:
    """Makes the middleware of an application.

    Args:
        tokens: Who may call its own routes; None: everyone.
        middleware: Further ones. Each sees all requests, and the responses to strangers as well;
            with any, RPCs too take the longer way through the framework.
        metrics: Where requests are counted; None: where nobody else looks.
        max_body_bytes: How large a body may be that the framework reads into memory: any but
            those of multipart forms, whose files it puts on disk; and any body that comes to an
            open route. None: any size.
        origins: Whose pages may open WebSockets, besides those of the service's own origin: as the
            setting `cors_allow_origins` has them.
    """
    return [
        DefineMiddleware(Observation, metrics=metrics or Metrics()),
        *middleware,
        DefineMiddleware(Entrance, tokens=tokens, max_body_bytes=max_body_bytes, origins=origins),
    ]


class Observation:
    """The outermost middleware: request ids, the log and metrics; what is raised ends here.

    Args:
        app: The next.
        metrics: Where requests are counted.
    """

    skips_rpcs = True

    def __init__(self, app: AsgiApp, metrics: Metrics) -> None:
        self.app = app
        self._metrics = metrics

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        visit = scope[VISIT] = Visit()
        identity = request_id.adopt_header(HttpServicerContext(scope))
        start = perf_counter()

        async def send_with_id(event: Any) -> None:
            if event["type"] in _STARTS:
                visit.status = event.get("status", _SWITCHED)
                if not visit.is_of_an_rpc:
                    event = with_header(event, request_id.HEADER, identity.encode("ascii"))
            await send(event)

        answering = _answering if scope["type"] == "http" else talk
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
        origins: Whose pages may open WebSockets, besides those of the service's own origin.
    """

    skips_rpcs = True

    def __init__(
        self,
        app: AsgiApp,
        tokens: auth.Tokens | None = None,
        max_body_bytes: int | None = None,
        origins: str | None = None,
    ) -> None:
        self.app = app
        self._origins = None if origins is None else Origins(origins)
        self._tokens = tokens
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        visit: Visit = scope[VISIT]
        if scope["type"] == "http":
            await _answering(self._enter, visit, scope, receive, send)
        else:
            await self._enter_websocket(scope, receive, send)

    async def _enter(self, scope: Any, receive: Any, send: Any) -> None:
        visit: Visit = scope[VISIT]
        # The `$` of the router's patterns would overlook a last newline.
        overlooked = scope["path"].endswith("\n")
        found = Destination() if overlooked else destination(scope["app"].routes, scope)
        visit.route, visit.is_probe = found.path, found.is_probe
        scope[ROUTE] = found.path
        if found.is_of_an_rpc and found.match is Match.FULL:
            visit.is_of_an_rpc = True
            await self.app(scope, receive, send)
            return
        if not found.is_open and not self._admits(scope):
            raise NotAuthenticated(detail=auth.DETAIL)
        if found.is_of_an_rpc:  # Of a wrong method or path, its interceptors hear nothing.
            await self.app(scope, receive, send)
            return
        if found.match is Match.NONE:
            # The router would look whether a slash more or less helps, and send the caller there.
            raise NotFound(detail=_NOT_FOUND)
        for mounted in found.mounted:
            answer_alike(mounted)
        more = {"HEAD"} if "GET" in found.methods else set()
        allow = ", ".join(sorted(found.methods | more))
        if scope["method"] == "HEAD" and "GET" in found.methods and "HEAD" not in found.methods:
            # The framework's patterns take it, its handlers refuse it.
            scope, send = {**scope, "method": "GET"}, without_response_body(send)
        elif found.match is Match.PARTIAL and not found.has_middleware:
            raise MethodNotAllowed(
                detail=f"the method must be one of: {allow}", headers={"allow": allow}
            )
        boundary = boundary_of(scope)
        if scope["method"] in _WITHOUT_BODY:
            # Or the framework would read it all, and take it for JSON.
            receive = without_request_body(receive)
        elif self._max_body_bytes and (
            # Of what strangers send to an open route, nothing is left to its handler.
            found.is_open or (found.reads_body and not boundary)
        ):
            receive = with_bounded_body(receive, self._max_body_bytes)
        if boundary:
            receive = with_whole_delimiters(receive, boundary)

        async def send_allow(event: Any) -> None:
            if event["type"] == "http.response.start" and allow and _lacks_allow(event):
                event = with_header(event, b"allow", allow.encode("ascii"))
            await send(event)

        await _answering(self.app, visit, scope, receive, send_allow)

    async def _enter_websocket(self, scope: Any, receive: Any, send: Any) -> None:
        visit: Visit = scope[VISIT]
        visit.route = scope[ROUTE] = destination(scope["app"].routes, scope).path
        if self._admits(scope) and self._lets_open(scope["headers"]):
            await talk(self.app, visit, scope, receive, send)
        else:
            await deny(visit, scope, send, POLICY_VIOLATION)

    def _admits(self, scope: Any) -> bool:
        return self._tokens is None or self._tokens.admit(invocation_metadata(scope["headers"]))

    def _lets_open(self, headers: Headers) -> bool:
        """Whether the page that opens a WebSocket may: browsers ask for no leave before they do."""
        if not is_from_another_site(headers):
            return True
        return self._origins is not None and self._origins.has(dict(headers).get(b"origin"))


def _record(metrics: Metrics, scope: Any, visit: Visit, seconds: float, identity: str) -> None:
    # Callers can make up any number of them.
    method = scope.get("method", "GET")
    if method not in _METHODS:
        method = "_OTHER"
    # Of a response that never began, the server tells the caller so.
    status = visit.status or 500
    metrics.of_route(method, visit.route, status).observe(seconds)
    code = grpc.StatusCode.INTERNAL if visit.is_cut else code_of(status)
    level = logging.DEBUG if visit.is_probe else logging.INFO
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
        if (who := caller()) is not None:
            fields["caller"] = who.name
        logger.handle(EventRecord(logger, level, "request", time(), fields))


async def _answering(app: AsgiApp, visit: Visit, scope: Any, receive: Any, send: Any) -> None:
    """Runs `app`, and answers what it raises as far as that is still possible."""
    try:
        await app(scope, receive, send)
    except (asyncio.CancelledError, Exception) as error:
        task = asyncio.current_task()
        # Otherwise, a handler has let out the cancellation of another task.
        if isinstance(error, asyncio.CancelledError) and (task is None or task.cancelling()):
            visit.status = visit.status or CLIENT_CLOSED
            raise
        if visit.status:
            # Returning with the response incomplete makes the server cut the connection.
            visit.is_cut = True
            log_unexpected(error, f"{visit.route}, whose response had begun")
            return
        response = await respond_to(error, Request(scope, receive, send))
        await response(scope, receive, send)


def _lacks_allow(event: Any) -> bool:
    for name, value in event.get("headers", ()):
        if name.lower() == b"allow":
            # The framework writes a Python set there.
            return bytes(value).startswith(b"{")
    return bool(event["status"] == 405)

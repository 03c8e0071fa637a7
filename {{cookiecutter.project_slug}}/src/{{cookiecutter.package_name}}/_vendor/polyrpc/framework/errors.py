"""How the application's own routes fail: the error body of an RPC, whatever was raised.

The framework is given `error_handlers`; exceptions that none of them is for are the service's
faults. Handlers of your own go beside them.
"""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from traceback import walk_tb
from typing import Any

import grpc
from pydantic import ValidationError

from ..interceptors.auth import CHALLENGE
from ..rpc.status import error_members
from .imports import (
    Application,
    ClientDisconnect,
    Connection,
    ExceptionMiddleware,
    Header,
    HTTPException,
    ImproperlyConfigured,
    JSONResponse,
    LilyaHTTPException,
    Response,
    ValidationErrorException,
)

logger = logging.getLogger("polyrpc.framework")

ROUTE = "own_routes.route"
"""Where the pattern of the route that a request has reached stands in its ASGI scope."""

Handler = Callable[[Any, Any], Any]

_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    405: grpc.StatusCode.UNIMPLEMENTED,
    406: grpc.StatusCode.INVALID_ARGUMENT,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    409: grpc.StatusCode.ABORTED,
    410: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    415: grpc.StatusCode.INVALID_ARGUMENT,
    416: grpc.StatusCode.OUT_OF_RANGE,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    431: grpc.StatusCode.RESOURCE_EXHAUSTED,
    499: grpc.StatusCode.CANCELLED,
    501: grpc.StatusCode.UNIMPLEMENTED,
    502: grpc.StatusCode.UNAVAILABLE,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"


def code_of(status: int) -> grpc.StatusCode:
    """Finds the code that an HTTP status comes nearest to."""
    if status < 400:
        return grpc.StatusCode.OK
    other = grpc.StatusCode.FAILED_PRECONDITION if status < 500 else grpc.StatusCode.INTERNAL
    return _CODES.get(status, other)


def error_handlers() -> dict[Any, Handler]:
    """Makes the exception handlers of an application, by the classes of exceptions."""
    return dict.fromkeys(
        (
            HTTPException,
            LilyaHTTPException,
            ImproperlyConfigured,
            ValidationErrorException,
            ValidationError,
        ),
        _Handler(),
    )


async def respond_to(error: BaseException, request: Connection) -> Any:
    """Makes the response of a request, or a handshake, whose handling has raised `error`.

    What is nobody's to handle is logged with its traceback; the caller is told nothing of it.
    """
    handlers: Mapping[Any, Handler] = request.scope["app"].exception_handlers
    keys = (getattr(error, "status_code", 500), *type(error).__mro__)
    fitting = (handlers[key] for key in keys if key in handlers)
    response = next(fitting, _response_to)(request, error)
    return await response if inspect.isawaitable(response) else response


def answer_alike(app: Any) -> None:
    """Gives an application that is mounted in another these handlers where it has none of its own.

    Args:
        app: The one that is mounted. It answers by itself all that is raised in it.
    """
    layer = app.middleware_stack
    if getattr(layer, "default_http_exception_handler", _response_to) is _response_to:
        return
    layer.default_http_exception_handler = _response_to
    app.router.redirect_slashes = False  # It would go by what the Host header says.
    frameworks = f"{Application.__module__.partition('.')[0]}."
    handlers = {
        kind: handler
        for kind, handler in app.exception_handlers.items()
        if not handler.__module__.startswith(frameworks)
    }
    handlers = error_handlers() | handlers
    layer.exception_handlers.update(handlers)
    while (layer := getattr(layer, "app", None)) is not None:
        if isinstance(layer, ExceptionMiddleware):
            for kind, handler in handlers.items():
                layer.add_exception_handler(kind, handler)


def log_unexpected(error: BaseException, what: str) -> None:
    """Logs an exception of this service's own, with its traceback."""
    logger.error("Unexpected %s raised by %s", type(error).__name__, what, exc_info=error)


class _Handler:
    """No function: one that is, the framework takes for leave to run a WebSocket's route again."""

    async def __call__(self, connection: Connection, error: Exception) -> Any:
        if connection.scope["type"] == "websocket":
            raise error  # Whatever is around the routes closes it.
        return _response_to(connection, error)


def _response_to(request: Connection, error: Any) -> Any:
    if isinstance(error, ClientDisconnect):
        return Response(None, status_code=499)
    if isinstance(error, ValidationErrorException):
        # Of what is no mapping the framework tells in Python's words.
        faults = [one for one in error.extra.get("extra", ()) if isinstance(one, Mapping)]
        return _invalid(error.status_code, faults)
    if isinstance(error, ValidationError):
        return _invalid(422, error.errors())
    status = (isinstance(error, LilyaHTTPException) and error.status_code) or 500
    if status < 400:
        return Response(None, status_code=status, headers=error.headers)
    if status != 500:
        return error_response(status, error.detail, headers=error.headers)
    if isinstance(error, json.JSONDecodeError) and _arose_in_reading(error):
        return error_response(400, f"malformed JSON: {error}")
    if isinstance(error, ValueError) and _arose_in_reading(error):
        return error_response(400, "the request is not readable: its text must be UTF-8")
    log_unexpected(error, f"{request.scope['method']} {request.scope.get(ROUTE, 'middleware')}")
    return error_response(500, "Internal Server Error")


def _invalid(status: int, faults: Iterable[Mapping[str, Any]]) -> Any:
    violations = [
        {"field": ".".join(map(str, fault["loc"])), "description": str(fault["msg"])}
        for fault in faults
    ]
    if not violations:
        return error_response(status, "the request is not what this route takes")
    detail = "; ".join(f"{one['field']}: {one['description']}" for one in violations)
    return error_response(status, detail, [{"@type": _BAD_REQUEST, "fieldViolations": violations}])


def error_response(
    status: int,
    detail: str,
    details: Iterable[Any] = (),
    headers: Mapping[str, str] | None = None,
) -> Any:
    """Makes a response with an error body."""
    body = error_members(code_of(status), detail, details)
    headers = {name.lower(): value for name, value in (headers or {}).items()}
    if status == 401:
        headers.setdefault("www-authenticate", CHALLENGE)
    return JSONResponse(body, status_code=status, headers=headers)


def _arose_in_reading(error: Exception) -> bool:
    """Whether it was raised while the framework read the request: its text is at fault."""
    return any(
        isinstance(frame.f_locals.get("self"), Connection | Header)
        for frame, _ in walk_tb(error.__traceback__)
    )

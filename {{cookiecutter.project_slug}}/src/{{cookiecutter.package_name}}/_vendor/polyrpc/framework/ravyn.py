"""What is taken of Ravyn, under names that do not depend on the framework."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from lilya._internal._connection import ClientDisconnect, Connection
from lilya._internal._path import clean_path
from lilya.datastructures import Header
from lilya.enums import Match
from lilya.exceptions import HTTPException as LilyaHTTPException
from lilya.middleware import DefineMiddleware
from lilya.middleware.trustedhost import TrustedHostMiddleware
from lilya.routing import BasePath, BaseRouter, Host, NoMatchFound, Path, WebSocketPath
from lilya.websockets import WebSocketDisconnect
from ravyn import (
    Gateway,
    Include,
    JSONResponse,
    OpenAPIConfig,
    Ravyn,
    Request,
    Response,
)
from ravyn import get as ravyn_get
from ravyn.applications import Application as ApplicationBase
from ravyn.contrib.grpc.gateway import HTTP_ALLOWED_METHODS, GrpcGateway
from ravyn.contrib.grpc.register import register_grpc_http_routes
from ravyn.core.config.logging import LoggingConfig
from ravyn.exceptions import (
    HTTPException,
    ImproperlyConfigured,
    MethodNotAllowed,
    NotAuthenticated,
    NotFound,
    ServiceUnavailable,
    ValidationErrorException,
    WebSocketException,
)
from ravyn.middleware.asyncexitstack import AsyncExitStackMiddleware
from ravyn.middleware.exceptions import ExceptionMiddleware, RavynAPIException
from ravyn.openapi.models import Contact
from ravyn.openapi.openapi import get_openapi_security_schemes, should_include_in_schema
from ravyn.routing.router import HTTPHandler, Router

__all__ = [
    "HTTP_ALLOWED_METHODS",
    "OWN_MIDDLEWARE",
    "Application",
    "ApplicationBase",
    "BasePath",
    "BaseRouter",
    "ClientDisconnect",
    "Connection",
    "Contact",
    "DefineMiddleware",
    "ExceptionMiddleware",
    "Gateway",
    "GrpcGateway",
    "HTTPException",
    "HTTPHandler",
    "Header",
    "Host",
    "ImproperlyConfigured",
    "Include",
    "JSONResponse",
    "LilyaHTTPException",
    "Match",
    "MethodNotAllowed",
    "NoMatchFound",
    "NotAuthenticated",
    "NotFound",
    "OpenAPIConfig",
    "Path",
    "Request",
    "Response",
    "Router",
    "ServiceUnavailable",
    "TrustedHostMiddleware",
    "UnchangedLogging",
    "ValidationErrorException",
    "WebSocketDisconnect",
    "WebSocketException",
    "WebSocketPath",
    "clean_path",
    "get",
    "get_openapi_security_schemes",
    "register_grpc_http_routes",
    "should_include_in_schema",
]

Application = Ravyn
OWN_MIDDLEWARE: tuple[type[Any], ...] = (
    RavynAPIException,
    TrustedHostMiddleware,
    ExceptionMiddleware,
    AsyncExitStackMiddleware,
)
"""What every application has around its router, whatever its user asks for."""
# Ravyn leaves out what its decorator returns.
get: Callable[..., Callable[[Any], Any]] = ravyn_get


class UnchangedLogging(LoggingConfig):
    """Makes an application log through whatever the process has configured."""

    def __init__(self) -> None:
        super().__init__(skip_setup_configure=True)

    def get_logger(self) -> logging.Logger:
        """Follows Ravyn's `LoggingConfig`."""
        return logging.getLogger("ravyn")

"""What is taken of Esmerald, under names that do not depend on the framework."""

from __future__ import annotations

import logging
from typing import Any

from esmerald import (
    Esmerald,
    Gateway,
    Include,
    JSONResponse,
    OpenAPIConfig,
    Request,
    Response,
    get,
)
from esmerald.applications import Application as ApplicationBase
from esmerald.contrib.grpc.gateway import HTTP_ALLOWED_METHODS, GrpcGateway
from esmerald.contrib.grpc.register import register_grpc_http_routes
from esmerald.core.config.logging import LoggingConfig
from esmerald.exceptions import (
    HTTPException,
    ImproperlyConfigured,
    MethodNotAllowed,
    NotAuthenticated,
    NotFound,
    ServiceUnavailable,
    ValidationErrorException,
    WebSocketException,
)
from esmerald.middleware.asyncexitstack import AsyncExitStackMiddleware
from esmerald.middleware.exceptions import EsmeraldAPIExceptionMiddleware, ExceptionMiddleware
from esmerald.openapi.models import Contact
from esmerald.openapi.openapi import get_openapi_security_schemes, should_include_in_schema
from esmerald.routing.router import HTTPHandler, Router
from lilya._internal._connection import ClientDisconnect, Connection
from lilya._internal._path import clean_path
from lilya.datastructures import Header
from lilya.enums import Match
from lilya.exceptions import HTTPException as LilyaHTTPException
from lilya.middleware import DefineMiddleware
from lilya.middleware.trustedhost import TrustedHostMiddleware
from lilya.routing import BasePath, BaseRouter, Host, NoMatchFound, Path, WebSocketPath
from lilya.websockets import WebSocketDisconnect

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

Application = Esmerald
OWN_MIDDLEWARE: tuple[type[Any], ...] = (
    EsmeraldAPIExceptionMiddleware,
    TrustedHostMiddleware,
    ExceptionMiddleware,
    AsyncExitStackMiddleware,
)
"""What every application has around its router, whatever its user asks for."""


class UnchangedLogging(LoggingConfig):
    """Makes an application log through whatever the process has configured."""

    def __init__(self) -> None:
        super().__init__(skip_setup_configure=True)

    def get_logger(self) -> logging.Logger:
        """Follows Esmerald's `LoggingConfig`."""
        return logging.getLogger("esmerald")

"""What is taken of Ravyn, under names that do not depend on the framework."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ravyn import Gateway as Gateway
from ravyn import Include as Include
from ravyn import JSONResponse as JSONResponse
from ravyn import OpenAPIConfig as OpenAPIConfig
from ravyn import Ravyn, applications
from ravyn import Request as Request
from ravyn import Response as Response
from ravyn import get as ravyn_get
from ravyn.contrib.grpc.gateway import HTTP_ALLOWED_METHODS as HTTP_ALLOWED_METHODS
from ravyn.contrib.grpc.gateway import GrpcGateway as GrpcGateway
from ravyn.contrib.grpc.register import register_grpc_http_routes as register_grpc_http_routes
from ravyn.core.config.logging import LoggingConfig as LoggingConfig
from ravyn.exceptions import HTTPException as HTTPException
from ravyn.exceptions import ImproperlyConfigured as ImproperlyConfigured
from ravyn.exceptions import MethodNotAllowed as MethodNotAllowed
from ravyn.exceptions import NotAuthenticated as NotAuthenticated
from ravyn.exceptions import NotFound as NotFound
from ravyn.exceptions import ServiceUnavailable as ServiceUnavailable
from ravyn.exceptions import ValidationErrorException as ValidationErrorException
from ravyn.exceptions import WebSocketException as WebSocketException
from ravyn.middleware.asyncexitstack import AsyncExitStackMiddleware as AsyncExitStackMiddleware
from ravyn.middleware.exceptions import ExceptionMiddleware as ExceptionMiddleware
from ravyn.middleware.exceptions import RavynAPIException
from ravyn.openapi.models import Contact as Contact
from ravyn.openapi.openapi import get_openapi_security_schemes as get_openapi_security_schemes
from ravyn.openapi.openapi import should_include_in_schema as should_include_in_schema
from ravyn.routing.router import HTTPHandler as HTTPHandler
from ravyn.routing.router import Router as Router

Application = Ravyn
ApplicationBase = applications.Application
FrameworkExceptionMiddleware = RavynAPIException
# Ravyn leaves out what its decorator returns.
get: Callable[..., Callable[[Any], Any]] = ravyn_get

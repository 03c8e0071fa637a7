"""What is taken of Esmerald, under names that do not depend on the framework."""

from __future__ import annotations

from esmerald import Esmerald, applications
from esmerald import Gateway as Gateway
from esmerald import Include as Include
from esmerald import JSONResponse as JSONResponse
from esmerald import OpenAPIConfig as OpenAPIConfig
from esmerald import Request as Request
from esmerald import Response as Response
from esmerald import get as get
from esmerald.contrib.grpc.gateway import HTTP_ALLOWED_METHODS as HTTP_ALLOWED_METHODS
from esmerald.contrib.grpc.gateway import GrpcGateway as GrpcGateway
from esmerald.contrib.grpc.register import register_grpc_http_routes as register_grpc_http_routes
from esmerald.core.config.logging import LoggingConfig as LoggingConfig
from esmerald.exceptions import HTTPException as HTTPException
from esmerald.exceptions import ImproperlyConfigured as ImproperlyConfigured
from esmerald.exceptions import MethodNotAllowed as MethodNotAllowed
from esmerald.exceptions import NotAuthenticated as NotAuthenticated
from esmerald.exceptions import NotFound as NotFound
from esmerald.exceptions import ServiceUnavailable as ServiceUnavailable
from esmerald.exceptions import ValidationErrorException as ValidationErrorException
from esmerald.exceptions import WebSocketException as WebSocketException
from esmerald.middleware.asyncexitstack import AsyncExitStackMiddleware as AsyncExitStackMiddleware
from esmerald.middleware.exceptions import EsmeraldAPIExceptionMiddleware
from esmerald.middleware.exceptions import ExceptionMiddleware as ExceptionMiddleware
from esmerald.openapi.models import Contact as Contact
from esmerald.openapi.openapi import get_openapi_security_schemes as get_openapi_security_schemes
from esmerald.openapi.openapi import should_include_in_schema as should_include_in_schema
from esmerald.routing.router import HTTPHandler as HTTPHandler
from esmerald.routing.router import Router as Router

Application = Esmerald
ApplicationBase = applications.Application
FrameworkExceptionMiddleware = EsmeraldAPIExceptionMiddleware

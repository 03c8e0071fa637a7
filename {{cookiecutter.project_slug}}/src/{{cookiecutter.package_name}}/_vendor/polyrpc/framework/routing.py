"""Where the framework's router will go with a request, before it goes there; what is known then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..rpc.method_info import UNKNOWN
from .imports import (
    ApplicationBase,
    BaseRouter,
    Gateway,
    Host,
    HTTPHandler,
    Include,
    Match,
    Path,
    clean_path,
)
from .rest_route import RestRoutes
from .route import RpcRoute
from .unknown_rpcs import UnknownRpcs

VISIT = "own_routes.visit"
"""Where a request has its `Visit` in its ASGI scope."""

CLIENT_CLOSED = 499
"""The status of a request whose client left before it had one."""


class OpenGateway(Gateway):
    """A route that needs no token."""


class ProbeGateway(OpenGateway):
    """One whose requests are logged as debugging only: there are so many of them."""


_OPENED = "polyrpc.opened"


def opened(routes: Iterable[Any]) -> list[Any]:
    """Marks routes of a team's own that need no token.

    Args:
        routes: Each a `Gateway`, or a `Path` of lilya's with an ASGI application: before a handler
            of the framework's is called, the body is taken for JSON.

    Raises:
        TypeError: One is another: of those it is not known what they lead to.
    """
    marked = []
    for route in routes:
        if not isinstance(route, Gateway | Path):
            raise TypeError(
                f"open_routes: {type(route).__name__} is none; each must be a Gateway or a Path"
            )
        setattr(route, _OPENED, True)
        marked.append(route)
    return marked


@dataclass(slots=True)
class Visit:
    """What becomes known of a request on its way.

    Attributes:
        route: The pattern of the route that it reaches.
        is_probe: Whether that is a `ProbeGateway`.
        is_of_an_rpc: Whether an RPC answers it, which does by itself what there is to do.
        status: The HTTP status of the response, once that has begun.
        is_cut: Whether the rest of the response is missing.
    """

    route: str = UNKNOWN
    is_probe: bool = False
    is_of_an_rpc: bool = False
    status: int = 0
    is_cut: bool = False


@dataclass(slots=True)
class Destination:
    """Where a request goes.

    Attributes:
        match: As the framework has it; PARTIAL where the path matches, but not the method.
        path: The pattern of the first route that matches.
        methods: Those of the routes whose path matches.
        is_open: Whether it is an `OpenGateway`, or one of a team's `open_routes`.
        is_probe: Whether it is a `ProbeGateway`.
        is_of_an_rpc: Whether an RPC answers.
        reads_body: Whether the framework reads the whole body, into memory but for uploads of
            forms.
        has_middleware: Whether more than the route may answer: a preflight, for one.
        mounted: The applications, mounted in this one, that it passes.
    """

    match: Any = Match.NONE
    path: str = UNKNOWN
    methods: set[str] = field(default_factory=set)
    is_open: bool = False
    is_probe: bool = False
    is_of_an_rpc: bool = False
    reads_body: bool = False
    has_middleware: bool = False
    mounted: tuple[Any, ...] = ()


def destination(routes: Iterable[Any], scope: Mapping[str, Any]) -> Destination:
    """Looks for a route as the framework's router does: the first that matches in full.

    Args:
        routes: The routes, in their order.
        scope: The ASGI scope of the request.
    """
    partial = Destination()
    for route in routes:
        match, child_scope = route.search(scope)
        if match is Match.NONE:
            continue
        found = _by_way_of(route, match, {**scope, **child_scope})
        if found.match is Match.FULL:
            found.methods |= partial.methods
            return found
        if found.match is Match.PARTIAL and partial.match is Match.NONE:
            partial = found
        elif found.match is Match.PARTIAL:
            partial.methods |= found.methods
            partial.has_middleware |= found.has_middleware
    return partial


def takes_websocket(app: Any, scope: Mapping[str, Any]) -> bool:
    """Whether a route of an application's is for a WebSocket handshake: an RPC never is.

    Args:
        app: The application.
        scope: The ASGI scope of the WebSocket.
    """
    if scope["path"].endswith("\n"):  # The `$` of the router's patterns would overlook it.
        return False
    scope = {**scope, "root_path": app.root_path or ""}
    if not _has_websocket(app.routes, scope):
        return False
    return not destination(app.routes, {**scope, "type": "http", "method": "GET"}).is_of_an_rpc


def _has_websocket(routes: Iterable[Any], scope: Mapping[str, Any]) -> bool:
    for route in routes:
        match, child_scope = route.search(scope)
        if match is Match.NONE:
            continue
        inside = route.__base_app__ if isinstance(route, Include | Host) else None
        if not isinstance(inside, ApplicationBase | BaseRouter):
            return True
        if _has_websocket(inside.routes, {**scope, **child_scope}):
            return True
    return False


def _by_way_of(route: Any, match: Any, scope: Mapping[str, Any]) -> Destination:
    has_middleware = bool(getattr(route, "middleware", None))
    if isinstance(route, Include | Host):
        inside = route.__base_app__
        if isinstance(inside, ApplicationBase):
            return _in_application(route, inside, scope)
        if isinstance(inside, BaseRouter):
            found = destination(inside.routes, scope)
            if found.match is not Match.NONE:
                found.path = _below(route, found.path)
                found.has_middleware |= has_middleware
            elif has_middleware:
                return Destination(Match.PARTIAL, _below(route, "/{path}"), has_middleware=True)
            return found
    handler = getattr(route, "handler", None)
    is_frameworks = isinstance(handler, HTTPHandler)
    return Destination(
        match,
        getattr(route, "path_format", UNKNOWN),
        set(getattr(handler if is_frameworks else route, "methods", None) or ()),
        is_open=isinstance(route, OpenGateway) or getattr(route, _OPENED, False),
        is_probe=isinstance(route, ProbeGateway),
        is_of_an_rpc=isinstance(route, RestRoutes | UnknownRpcs) or isinstance(handler, RpcRoute),
        reads_body=is_frameworks,
        has_middleware=has_middleware,
    )


def _in_application(route: Any, inside: Any, scope: Mapping[str, Any]) -> Destination:
    # Whatever its routes do not answer its middleware may, and its RPCs may ask for no tokens.
    found = Destination() if inside.root_path else destination(inside.routes, scope)
    path = _below(route, found.path if found.match is Match.FULL else "/{path}")
    return Destination(Match.FULL, path, found.methods, mounted=(inside, *found.mounted))


def _below(route: Any, path: str) -> str:
    return clean_path(getattr(route, "path", "") + path)

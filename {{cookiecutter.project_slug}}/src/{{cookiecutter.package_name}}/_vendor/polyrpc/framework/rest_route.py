"""The seam to the framework's routing: one route for all `google.api.http` paths of a base path.

The framework matches decoded paths, in which an encoded slash is a slash. These templates need the
path as it was sent, so this route matches by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote

import grpc

from ..calls.refusals import send_failure
from ..calls.response import without_body
from ..http.raw_body import RawDecoder
from ..http.request import Decoder
from ..http.route_codec import RouteCodec
from ..rpc.metadata import Headers
from ..rpc.status import CallError
from ..transcoding.http_binding import HttpBinding
from ..transcoding.router import RestMatch, RestRouter, hidden_rules
from .asgi_events import without_request_body
from .imports import BasePath, Include, Match, NoMatchFound, Path
from .route import answer_alone, method_not_allowed

logger = logging.getLogger("polyrpc.framework")

_FOUND = "gateway.rest"
_WITHOUT_BODY = ("GET", "HEAD")


class RestRoute(NamedTuple):
    """A binding, and what has its requests answered."""

    binding: HttpBinding
    written: RouteCodec


class RestRoutes(BasePath):
    """Answers the REST routes of the gateways that are registered at one base path.

    Args:
        base_path: What goes before every template; empty for none.
    """

    name = None
    include_in_schema = False

    def __init__(self, base_path: str) -> None:
        self.path = base_path or "/"
        self._base_path = base_path
        self._routes: list[RestRoute] = []
        self._router: RestRouter[RestRoute] = RestRouter(())
        self._warnings: set[str] = set()

    @staticmethod
    def among(routes: list[Any], base_path: str) -> RestRoutes:
        """Finds the REST routes at `base_path`, and adds them where there are none yet."""
        for route in routes:
            if isinstance(route, RestRoutes) and route.path == (base_path or "/"):
                return route
        added = RestRoutes(base_path)
        routes.append(added)
        return added

    def add(self, routes: Iterable[RestRoute], others: Iterable[Any] = ()) -> None:
        """Adds bindings. Those that never get a request are warned of.

        Args:
            routes: The bindings.
            others: The application's routes.
        """
        self._routes += routes
        self._router = RestRouter((route.binding.rule, route) for route in self._routes)
        earlier = _Others(others)

        def taker(method: str, path: str) -> str | None:
            return earlier.taker(method, self._base_path + path)

        rules = [route.binding.rule for route in self._routes]
        for warning in hidden_rules(rules, taker, jointly=True):
            if warning not in self._warnings:
                self._warnings.add(warning)
                logger.warning("%s", warning)

    def search(self, scope: Any) -> tuple[Match, Any]:
        """Matches a request, as `BasePath` describes."""
        if scope["type"] != "http":
            return Match.NONE, {}
        path = raw_path(scope)
        if not path.startswith(self._base_path):
            return Match.NONE, {}
        try:
            found = self._router.match(scope["method"], path[len(self._base_path) :])
        except ValueError as error:
            # Like a wrong method: on the general way, and for those who may call.
            return Match.PARTIAL, {_FOUND: CallError(grpc.StatusCode.INVALID_ARGUMENT, str(error))}
        if found is None:
            return Match.NONE, {}
        if isinstance(found, frozenset):
            # Another route may have the method, so this answer comes last.
            allow = ", ".join(sorted(found)).encode("ascii")
            return Match.PARTIAL, {_FOUND: method_not_allowed(allow)}
        return Match.FULL, {_FOUND: found}

    def handle_dispatch(self, scope: Any, receive: Any, send: Any) -> Any:
        """Makes what answers a request that `search` has matched; the framework awaits it."""
        return answer_alone(self.answer, scope, receive, send)

    def answer(self, scope: Any, receive: Any, send: Any) -> Any:
        """The same, where nothing else would answer."""
        found: RestMatch[RestRoute] | CallError = scope[_FOUND]
        if isinstance(found, CallError):
            return send_failure(send, found)
        binding, written = found.target
        read = partial(binding.decode, found.variables, scope["query_string"])
        decode: Decoder = RawDecoder(scope, read) if binding.takes_raw else read
        if scope["method"] in _WITHOUT_BODY and not _announces_body(scope["headers"]):
            # Nothing is to be waited for, and over HTTP/2 uvicorn does not tell that nothing comes.
            receive = without_request_body(receive)
        if scope["method"] == "HEAD":
            send = without_body(send)
        return written.answer(decode, False, scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        """Raises `NoMatchFound`: these routes have no names."""
        raise NoMatchFound(name, path_params)

    path_for = url_path_for


def _announces_body(headers: Headers) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in headers)


class _Others:
    """The routes that are asked before the REST routes."""

    def __init__(self, routes: Iterable[Any]) -> None:
        # Most are those of RPCs, which need not all be asked for each rule.
        self._exact: dict[str, list[Any]] = {}
        self._patterns: list[Any] = []
        for route in routes:
            if type(route).search is Path.search and not route.param_convertors:
                self._exact.setdefault(route.path_format, []).append(route)
            elif type(route).search in (Path.search, Include.search):
                self._patterns.append(route)

    def taker(self, method: str, path: str) -> str | None:
        scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
        for route in (*self._exact.get(path, ()), *self._patterns):
            match, _ = route.search(scope)
            if match is Match.FULL:
                return f"the route {route.path}"
        return None


def raw_path(scope: Any) -> str:
    """The path of a request as it was sent, below where the application is mounted."""
    raw = scope.get("raw_path")
    path = quote(scope["path"]) if raw is None else raw.decode("latin-1")
    # Where the application is mounted, as many segments go as its root path has. One that a proxy
    # has taken off already is not there.
    root_path = scope.get("root_path", "").strip("/")
    if root_path and f"{scope['path']}/".startswith(f"/{root_path}/"):
        path = f"/{'/'.join(path.split('/')[root_path.count('/') + 2 :])}"
    return path

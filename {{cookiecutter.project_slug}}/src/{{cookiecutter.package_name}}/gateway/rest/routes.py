"""The seam to the framework's routing: one route for all `google.api.http` paths of a base path.

The framework matches decoded paths, in which an encoded slash is a slash. These templates need the
path as it was sent, so this route matches by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import quote

import grpc

from ..codec import JsonError
from ..endpoint import Endpoint
from ..framework import BasePath, Match, NoMatchFound
from ..handler import method_not_allowed
from ..response import send_failure
from ..status import CallFailed
from .http_rule import HttpBinding
from .router import RestMatch, RestRouter

_FOUND = "gateway.rest"


class RestRoute(NamedTuple):
    """A binding, and who answers its requests."""

    binding: HttpBinding
    endpoint: Endpoint


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
        self._router: RestRouter[Endpoint] = RestRouter(())

    @staticmethod
    def among(routes: list[Any], base_path: str) -> RestRoutes:
        """Finds the REST routes at `base_path`, and adds them where there are none yet."""
        for route in routes:
            if isinstance(route, RestRoutes) and route.path == (base_path or "/"):
                return route
        added = RestRoutes(base_path)
        routes.append(added)
        return added

    def add(self, routes: Iterable[RestRoute]) -> None:
        """Adds bindings.

        Raises:
            ValueError: Two answer the same requests; one line that names both RPCs.
        """
        self._routes += routes
        self._router = RestRouter(self._routes)

    def search(self, scope: Any) -> tuple[Match, Any]:
        """Matches a request, as `BasePath` describes."""
        if scope["type"] != "http":
            return Match.NONE, {}
        path = _raw_path(scope)
        if not path.startswith(self._base_path):
            return Match.NONE, {}
        try:
            found = self._router.match(scope["method"], path[len(self._base_path) :])
        except JsonError as error:
            return Match.FULL, {_FOUND: CallFailed(grpc.StatusCode.INVALID_ARGUMENT, str(error))}
        if found is None:
            return Match.NONE, {}
        if isinstance(found, frozenset):
            # Another route may have the method, so this answer comes last.
            allow = ", ".join(sorted(found)).encode("ascii")
            return Match.PARTIAL, {_FOUND: method_not_allowed(allow)}
        return Match.FULL, {_FOUND: found}

    def handle_dispatch(self, scope: Any, receive: Any, send: Any) -> Any:
        """Makes what answers a request that `search` has matched; the framework awaits it."""
        found: RestMatch[Endpoint] | CallFailed = scope[_FOUND]
        if isinstance(found, CallFailed):
            return send_failure(send, found)
        binding, query = found.binding, scope["query_string"]
        return found.target.answer(
            lambda body: binding.decode(found.variables, query, body),
            binding.encode,
            False,
            scope,
            receive,
            send,
        )

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        """Raises `NoMatchFound`: these routes have no names."""
        raise NoMatchFound(name, path_params)

    path_for = url_path_for


def _raw_path(scope: Any) -> str:
    raw = scope.get("raw_path")
    path = quote(scope["path"]) if raw is None else raw.decode("latin-1")
    # Of where the application is mounted the path tells, but not of what a proxy has taken away.
    mounted_at = scope.get("root_path", "").strip("/")
    if not f"{scope['path']}/".startswith(f"/{mounted_at}/"):
        return path
    # It may be encoded in any way: as many segments go as the root path has.
    for _ in range(mounted_at.count("/") + 1 if mounted_at else 0):
        path = f"/{path[1:].partition('/')[2]}"
    return path

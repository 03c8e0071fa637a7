"""The seam to the framework's routing: one route for all `google.api.http` paths of a base path."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Iterable
from functools import partial
from typing import Any, NamedTuple

import grpc

from ..calls.refusals import send_failure
from ..calls.response import without_body
from ..http.endpoint import RouteCodec
from ..http.raw_body import RawDecoder
from ..http.request import Decoder
from ..rpc.status import CallError
from ..transcoding.http_binding import HttpBinding
from ..transcoding.router import RestMatch, RestRouter, hidden_rules
from .asgi_events import without_request_body
from .imports import Include, Match, Path
from .joint_route import JointRoute
from .route import answer_alone, method_not_allowed

logger = logging.getLogger("polyrpc.framework")

_FOUND = "gateway.rest"
_WITHOUT_BODY = ("GET", "HEAD")


class RestRoute(NamedTuple):
    """A binding, and what has its requests answered."""

    binding: HttpBinding
    written: RouteCodec


class RestRoutes(JointRoute):
    """Answers the REST routes of the gateways that are registered at one base path."""

    def __init__(self, base_path: str) -> None:
        super().__init__(base_path)
        self._routes: list[RestRoute] = []
        self._router: RestRouter[RestRoute] = RestRouter(())
        self._warnings: set[str] = set()

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
            return earlier.taker(method, self.base_path + path)

        rules = [route.binding.rule for route in self._routes]
        for warning in hidden_rules(rules, taker, jointly=True):
            if warning not in self._warnings:
                self._warnings.add(warning)
                logger.warning("%s", warning)

    def search(self, scope: Any) -> tuple[Match, Any]:
        """Matches a request, as `BasePath` describes."""
        path = self.path_of(scope)
        if path is None:
            return Match.NONE, {}
        try:
            found = self._router.match(scope["method"], path)
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

    def answer(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        """The same, where nothing else would answer."""
        found: RestMatch[RestRoute] | CallError = scope[_FOUND]
        if isinstance(found, CallError):
            return send_failure(send, found)
        binding, written = found.target
        read = partial(binding.decode, found.variables, scope["query_string"])
        decode: Decoder = RawDecoder(scope, read) if binding.takes_raw else read
        if scope["method"] in _WITHOUT_BODY and all(
            name not in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"]
        ):
            # Nothing is to be waited for, and over HTTP/2 uvicorn does not tell that nothing comes.
            receive = without_request_body(receive)
        if scope["method"] == "HEAD":
            send = without_body(send)
        return written.answer(decode, False, scope, receive, send)


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

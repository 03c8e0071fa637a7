"""The way of a call past the framework's stack, where nothing in that stack is the user's.

An application in which a gateway is registered looks up the exact path of a request first, and then
the REST routes. If it is an RPC's, and the general way would do nothing for it but find it, its
endpoint answers at once. Everything else takes the general way, and so do all calls where the
framework has something to run around them: middleware, permissions, interceptors, `before_request`
or `after_request` of the application, its router or the route, other settings, an earlier route
that matches too. What comes later, or goes, is noticed, but for what the route of an RPC is given
after the first request. Middleware whose attribute `skips_rpcs` is true is for other paths:
it need not be passed, and has the next as `app`; what such middleware does around RPCs all the same
is in its `around_rpc`, and `spares` tells for which requests that is nothing. Where an application
is mounted, its parents have run what is theirs before.

`straight_answers` gives those that a server may answer on streams of HTTP/2 without ASGI, under the
same conditions, by every protocol but for REST: there the whole way is left out.

On the short way the framework's `settings` are the global ones, which they are on the general way
too; no Lilya instance or request context is set, the scope gets no `app`, `router` or `state`, and
the framework's own exception handlers are not around the endpoint, which lets nothing out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ..calls.http_stream import BeginAnswer
from ..calls.response import Answer, AsgiApp, answer_all
from .imports import (
    ApplicationBase,
    AsyncExitStackMiddleware,
    ExceptionMiddleware,
    FrameworkExceptionMiddleware,
    Gateway,
    Include,
    Match,
    Path,
    Router,
    TrustedHostMiddleware,
    WebSocketPath,
)
from .rest_route import RestRoutes
from .route import RpcRoute
from .unknown_rpcs import UnknownRpcs

_EVERYBODYS = (
    FrameworkExceptionMiddleware,
    TrustedHostMiddleware,
    ExceptionMiddleware,
    AsyncExitStackMiddleware,
)
"""What every application has around its router, whatever its user asks for."""

_BY_PATH_AND_METHOD = (
    Path.search,
    WebSocketPath.search,
    Include.search,
    RestRoutes.search,
    UnknownRpcs.search,  # of what has no content type it takes nothing
)
_OF_ROUTES = (
    "middleware",
    "permissions",
    "lilya_permissions",
    "interceptors",
    "before_request",
    "after_request",
)


def install_fast_path(app: Any) -> None:
    """Puts the look-up in front of `app`, once, whoever calls it.

    What is no application of the framework, or has a `__call__` of its own, is left as it is.
    """
    stock = type(app)
    if not isinstance(app, ApplicationBase) or stock.__call__ is not ApplicationBase.__call__:
        return
    shortcuts = FastPaths(app)

    # Python looks for `__call__` in the class alone, so the application gets a class of its own.
    # Servers ask whether it is a coroutine function.
    async def __call__(self: Any, scope: Any, receive: Any, send: Any) -> None:  # noqa: N807 - as Python names it
        answer = None
        if scope["type"] == "http" and shortcuts.are_open():
            path, root_path = scope["path"], self.root_path or scope.get("root_path")
            if root_path:
                scope = _in_full(scope, root_path)
                # As the framework has it: what stands before the application need not be there.
                path = scope["path"].removeprefix(root_path)
            answer = shortcuts.answers.get((scope["method"], path))
            if answer is None and shortcuts.rest:
                answer = shortcuts.rest_answer(scope | {"root_path": root_path or ""})
        if answer is None:
            await ApplicationBase.__call__(self, scope, receive, send)
        else:
            # As `answer_all` does it, whose coroutine each call would pay for.
            answering = answer(scope, receive, send)
            if isinstance(answering, tuple):
                for event in answering:
                    await send(event)
            else:
                await answering

    def straight_answers(self: Any) -> StraightRpcs | None:
        return shortcuts.straight if shortcuts.are_open() and not self.root_path else None

    names = ("__module__", "__qualname__", "__doc__")
    namespace = {name: getattr(stock, name) for name in names}
    namespace |= {"__call__": __call__, "straight_answers": straight_answers}
    app.__class__ = type(stock.__name__, (stock,), namespace)


class StraightRpcs:
    """The RPCs that an application answers without ASGI, on streams of HTTP/2.

    Args:
        by_path: What gives who answers, by the paths of the RPCs.
        spares: Middleware that has something to do around RPCs tells by these whether it has for a
            request.
    """

    def __init__(
        self,
        by_path: Mapping[str, Callable[[Any], BeginAnswer | None]],
        spares: Sequence[Callable[[Any], bool]],
    ) -> None:
        self._by_path = by_path
        self._spares = spares

    def find(self, scope: Any) -> BeginAnswer | None:
        """Gives what answers requests with this scope of ASGI; None: they take another way."""
        straight = self._by_path.get(scope["path"]) if scope["method"] == "POST" else None
        if straight is None or not all(spares(scope) for spares in self._spares):
            return None
        return straight(scope)


_NO_STRAIGHT_RPCS = StraightRpcs({}, ())


class FastPaths:
    """Which requests to an application need not go through it.

    Attributes:
        answers: Who answers them, by method and path.
        rest: The REST routes that answer others.
        straight: Those that HTTP/2 need not go through ASGI for.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self.answers: dict[tuple[Any, Any], Answer] = {}
        self.rest: list[RestRoutes] = []
        self._others: list[Any] = []
        self._arounds: list[Callable[[AsgiApp], AsgiApp]] = []
        self.straight = _NO_STRAIGHT_RPCS
        # What it has been decided for.
        self._routes: Any = None
        self._length = 0
        self._middleware_stack: Any = None

    def are_open(self) -> bool:
        """Whether they can be taken now, as far as the application alone tells; it may change."""
        app = self._app
        router = app.router
        if (
            # What a lifespan has put up, or whoever else, since the last request.
            app.permissions
            or app.interceptors
            or router.permissions
            or router.lilya_permissions
            or router.interceptors
            or router.before_request
            or router.after_request
        ):
            return False
        routes = router.routes
        if (
            len(routes) != self._length
            or routes is not self._routes
            or app.middleware_stack is not self._middleware_stack
        ):
            self._decide()
        return True

    def _decide(self) -> None:
        routes, middleware_stack = self._app.router.routes, self._app.middleware_stack
        self.answers, self.rest, self._others = {}, [], []
        self.straight = _NO_STRAIGHT_RPCS
        if not _has_own_steps(self._app):
            layers = _layers_around(self._app)
            self._arounds = [layer.around_rpc for layer in layers]
            straight = {}
            for (method, path), handler in _reached_first(routes):
                self.answers[method, path] = self._surrounded(handler.answers[method])
                if method == "POST" and handler.straight is not None:
                    straight[path] = handler.straight
            if all(hasattr(layer, "spares") for layer in layers):
                self.straight = StraightRpcs(straight, [layer.spares for layer in layers])
            self.rest = [route for route in routes if type(route) is RestRoutes]
            self._others = [
                route
                for route in routes
                if type(route) is not RestRoutes
                and not (_is_of_an_rpc(route) and _answers_all(route, self.answers))
            ]
            if not all(type(route).search in _BY_PATH_AND_METHOD for route in self._others):
                self.rest = []
        self._routes, self._length, self._middleware_stack = routes, len(routes), middleware_stack

    def rest_answer(self, scope: Any) -> Answer | None:
        """Finds the REST route that answers a request which no other route takes."""
        for route in self._others:
            if route.search(scope)[0] is not Match.NONE:
                return None
        for route in self.rest:
            match, found = route.search(scope)
            if match is Match.FULL:
                return self._surrounded(partial(_dispatch, route, found))
        return None

    def _surrounded(self, answer: Answer) -> Answer:
        if not self._arounds:
            return answer
        app: AsgiApp = partial(answer_all, answer)
        for around in self._arounds:
            app = around(app)
        return app


def _in_full(scope: Any, root_path: str) -> Any:
    """Puts back what a proxy has taken from the path before a parent's root path.

    Without it, the framework does not find where in the path the parent has mounted an application.
    """
    taken = scope.get("app_root_path")
    path = scope["path"]
    if not taken or path.startswith(root_path) or not f"{taken}{path}".startswith(root_path):
        return scope
    raw_path = scope.get("raw_path")
    if raw_path is not None:
        raw_path = taken.encode() + raw_path
    return {**scope, "path": f"{taken}{path}", "raw_path": raw_path}


async def _dispatch(route: Any, found: Any, scope: Any, receive: Any, send: Any) -> None:
    await route.answer(scope | found, receive, send)


def _has_own_steps(app: Any) -> bool:
    """Whether the application runs anything of its user's before it looks for a route."""
    router = app.router
    layer = app.middleware_stack
    while type(layer) in _EVERYBODYS or getattr(layer, "skips_rpcs", False):
        if isinstance(layer, TrustedHostMiddleware) and not layer.allow_any:
            return True
        layer = layer.app
    return (
        layer is not router
        or type(router) is not Router
        or router.parent is not app
        or router.middleware_stack != router.app
        or any(getattr(owner, "settings_module", None) for owner in (app, router))
    )


def _layers_around(app: Any) -> list[Any]:
    """The layers that need not be passed, but do something around RPCs; the innermost first."""
    found = []
    layer = app.middleware_stack
    while layer is not app.router:
        if getattr(layer, "around_rpc", None) is not None:
            found.append(layer)
        layer = layer.app
    return found[::-1]


def _reached_first(routes: Iterable[Any]) -> Iterator[tuple[tuple[str, str], RpcRoute]]:
    """Yields the RPCs that no earlier route takes requests from."""
    others: list[Any] = []
    seen: set[str] = set()
    for route in routes:
        if not _is_of_an_rpc(route):
            others.append(route)
            continue
        path, handler = route.path_format, route.handler
        if path in seen:
            continue
        seen.add(path)
        if route.app is handler and not any(getattr(route, name, None) for name in _OF_ROUTES):
            for method in handler.answers:
                if not any(_takes(other, method, path) for other in others):
                    yield (method, path), handler


def _is_of_an_rpc(route: Any) -> bool:
    return (
        type(route) is Gateway
        and isinstance(route.handler, RpcRoute)
        and not route.param_convertors
    )


def _answers_all(route: Any, answers: Mapping[tuple[str, str], Answer]) -> bool:
    return all((method, route.path_format) in answers for method in route.handler.answers)


def _takes(route: Any, method: str, path: str) -> bool:
    if type(route).search not in _BY_PATH_AND_METHOD:
        return True
    scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
    match, _ = route.search(scope)
    return match is not Match.NONE

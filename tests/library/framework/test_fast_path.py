"""Calls go past the framework's stack only where nothing in that stack is the user's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest
from framework_under_test import (
    ApplicationSettings,
    ChildApplication,
    CORSConfig,
    DenyAll,
    Host,
    Interceptor,
    post,
)
from polyrpc.framework.cors import Cors
from polyrpc.framework.imports import (
    Application,
    BasePath,
    DefineMiddleware,
    Gateway,
    Include,
    JSONResponse,
    Match,
    Router,
    get,
    register_grpc_http_routes,
)
from polyrpc.framework.rest_route import RestRoutes
from polyrpc.http.endpoint import Endpoint
from protocol_clients import envelope, grpc_web_outcome
from serving import EchoService, UnchangedLogging, gateway_of
from testing.v1 import testing_pb2 as pb
from testing.v1 import testing_pb2_grpc as pb_grpc

PATH = "/grpc/echoservice/unary"


class Scopes:
    """The scopes of the calls that an endpoint begins: the stack puts an `app` there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[Any] = []
        begin = Endpoint.begin

        def watched(endpoint: Endpoint, call: Any) -> Any:
            self.seen.append(call.scope)
            return begin(endpoint, call)

        monkeypatch.setattr(Endpoint, "begin", watched)

    @property
    def short(self) -> bool:
        """Whether the last call went past the stack."""
        return "app" not in self.seen[-1]


@pytest.fixture
def scopes(monkeypatch: pytest.MonkeyPatch) -> Scopes:
    return Scopes(monkeypatch)


def application(**options: Any) -> Any:
    return Application(logging_config=UnchangedLogging(), **options)


def registered(app: Any, **options: Any) -> Any:
    register_grpc_http_routes(app, [gateway_of(EchoService, http_methods=["POST"])], **options)
    return app


def client_of(app: Any, **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, **options)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


async def post_to(app: Any, path: str = PATH, **options: Any) -> httpx.Response:
    async with client_of(app, **options) as client:
        return await client.post(path, json={"text": "x"})


async def call(app: Any, path: str = PATH, **options: Any) -> None:
    response = await post_to(app, path, **options)
    assert (response.status_code, response.json()["text"]) == (200, "x")


async def test_a_call_goes_past_the_stack_of_a_plain_application(scopes: Scopes) -> None:
    await call(registered(application()))
    assert scopes.short


async def test_servers_see_the_application_as_before() -> None:
    app = registered(application())
    assert isinstance(app, Application)
    assert type(app).__name__ == Application.__name__
    assert inspect.iscoroutinefunction(app.__call__)


async def test_other_applications_are_left_alone() -> None:
    registered(application())
    assert type(application()) is Application


async def test_every_gateway_is_short_of_the_stack(scopes: Scopes) -> None:
    class OtherService(EchoService):
        pass

    app = application()
    gateways = [gateway_of(EchoService), gateway_of(OtherService)]
    register_grpc_http_routes(app, gateways, base_path="/api")
    register_grpc_http_routes(app, [gateway_of(EchoService)])
    for path in (f"/api{PATH}", "/api/grpc/otherservice/unary", PATH):
        await call(app, path)
        assert scopes.short


async def test_the_routes_stay_where_the_framework_shows_them() -> None:
    app = registered(application(enable_openapi=True))
    await call(app)
    assert PATH in [route.path for route in app.routes]
    async with client_of(app) as client:
        assert PATH in (await client.get("/openapi.json")).json()["paths"]


class Marking:
    """Middleware that leaves its mark on every response."""

    def __init__(self, app: Any, **_: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def marked(event: Any) -> None:
            if event["type"] == "http.response.start":
                event["headers"] = [*event["headers"], (b"x-marked", b"yes")]
            await send(event)

        await self.app(scope, receive, marked)


class Counting(Interceptor):
    calls = 0

    async def intercept(self, scope: Any, receive: Any, send: Any) -> None:
        type(self).calls += 1


class MarkingSettings(ApplicationSettings):
    @property
    def middleware(self) -> Sequence[Any]:
        return [DefineMiddleware(Marking)]


class MarkingApplication(Application):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await Marking(super().__call__)(scope, receive, send)


class MarkingStack(Application):
    def build_middleware_stack(self) -> Any:
        return Marking(super().build_middleware_stack())


def replaced_stack() -> Any:
    app = registered(application())
    app.middleware_stack = Marking(app.middleware_stack)
    return app


def replaced_router_stack() -> Any:
    app = registered(application())
    app.router.middleware_stack = Marking(app.router.middleware_stack)
    return app


@pytest.mark.parametrize(
    "make",
    [
        lambda: registered(application(middleware=[Marking])),
        lambda: registered(application(middleware=[DefineMiddleware(Marking)])),
        lambda: registered(application(settings_module=MarkingSettings)),
        lambda: registered(MarkingApplication(logging_config=UnchangedLogging())),
        lambda: registered(MarkingStack(logging_config=UnchangedLogging())),
        replaced_stack,
        replaced_router_stack,
        lambda: application(
            routes=[Include("/", app=registered(application()), middleware=[Marking])]
        ),
    ],
    ids=["class", "definition", "settings", "call", "build", "stack", "router", "include"],
)
async def test_middleware_is_run(make: Callable[[], Any]) -> None:
    assert (await post_to(make())).headers["x-marked"] == "yes"


async def test_middleware_that_leaves_rpcs_alone_is_passed_by(scopes: Scopes) -> None:
    class ForOthers(Marking):
        skips_rpcs = True

    other = Gateway("/other", handler=below_grpc)
    app = registered(application(middleware=[ForOthers], routes=[other]))
    response = await post_to(app)
    assert (response.status_code, "x-marked" in response.headers) == (200, False)
    assert scopes.short
    assert (await post_to(app, "/other/echoservice/unary")).headers["x-marked"] == "yes"


async def test_middleware_is_run_that_comes_after_the_first_request(scopes: Scopes) -> None:
    app = registered(application())
    await call(app)
    assert scopes.short
    app.middleware_stack = Marking(app.middleware_stack)
    assert (await post_to(app)).headers["x-marked"] == "yes"


async def test_a_host_that_is_not_trusted_is_refused(scopes: Scopes) -> None:
    app = registered(application(allowed_hosts=["example.com"]))
    assert (await post_to(app)).status_code == 400
    assert not scopes.seen


async def test_cross_origin_requests_are_answered_as_ever() -> None:
    cors = CORSConfig(allow_origins=["https://example.com"])
    app = registered(application(cors_config=cors))
    async with client_of(app) as client:
        response = await client.post(PATH, json={}, headers={"origin": "https://example.com"})
    assert response.headers["access-control-allow-origin"] == "https://example.com"


async def test_a_permission_is_asked(scopes: Scopes) -> None:
    app = registered(application(permissions=[DenyAll]))
    assert (await post_to(app)).status_code == 403
    assert not scopes.seen


async def test_an_interceptor_is_run() -> None:
    app = registered(application(interceptors=[Counting]))
    before = Counting.calls
    await call(app)
    assert Counting.calls > before


@pytest.mark.parametrize("when", ["before_request", "after_request"])
async def test_callbacks_of_requests_are_run(when: str) -> None:
    ran: list[str] = []

    async def callback(scope: Any, *_: Any) -> None:
        ran.append(scope["path"])

    await call(registered(application(**{when: [callback]})))
    assert ran == [PATH]


async def test_what_comes_after_the_first_request_is_run() -> None:
    ran: list[str] = []

    async def callback(scope: Any, *_: Any) -> None:
        ran.append(scope["path"])

    app = registered(application())
    await call(app)
    app.router.after_request.append(callback)
    await call(app)
    assert ran == [PATH]
    before = Counting.calls
    app.interceptors.append(Counting)
    await call(app)
    assert Counting.calls > before
    app.permissions.append(DenyAll)
    assert (await post_to(app)).status_code == 403


async def test_settings_of_the_application_take_the_general_way(scopes: Scopes) -> None:
    await call(registered(application(settings_module=ApplicationSettings)))
    assert not scopes.short


@pytest.mark.parametrize("path", [PATH, f"/behind{PATH}"])
async def test_a_root_path_does_not_count(scopes: Scopes, path: str) -> None:
    await call(registered(application(root_path="/behind")), path)
    assert scopes.short
    await call(registered(application()), path, root_path="/behind")
    assert scopes.short


async def test_no_more_than_the_root_path_is_taken_off() -> None:
    app = registered(application(root_path="/behind"))
    for path in (f"/beside{PATH}", f"/behind/behind{PATH}", f"/behind{PATH}/"):
        assert (await post_to(app, path)).status_code != 200


@pytest.mark.parametrize(
    ("mounted_at", "child"),
    [("/", Application), ("/sub", Application), ("/sub", ChildApplication)],
    ids=["root", "application", "child"],
)
async def test_it_may_be_mounted(scopes: Scopes, mounted_at: str, child: type[Application]) -> None:
    app = registered(child(logging_config=UnchangedLogging()))
    parent = application(routes=[Include(mounted_at, app=app)])
    await call(parent, f"{mounted_at.rstrip('/')}{PATH}")
    assert scopes.seen[-1]["app"] is parent  # The stack of the other would have put that there.


@pytest.mark.parametrize("prefix", ["", "/behind"])
async def test_it_may_be_mounted_behind_a_proxy(prefix: str) -> None:
    mine = [Gateway(handler=any_book)]
    app = with_library(registered(ChildApplication(logging_config=UnchangedLogging())))
    also = registered(ChildApplication(logging_config=UnchangedLogging(), routes=mine))
    routes = [Include("/sub", app=app), Include("/other", app=also)]
    parent = application(root_path="/behind", routes=routes)
    await call(parent, f"{prefix}/sub{PATH}")
    assert await get_book(parent, f"{prefix}/sub/v1/books/mine") == "mine"
    assert await get_book(parent, f"{prefix}/other/v1/books/mine") == "no mine"


async def test_a_permission_of_the_place_where_it_is_mounted_is_asked(scopes: Scopes) -> None:
    app = registered(ChildApplication(logging_config=UnchangedLogging()))
    parent = application(routes=[Include("/sub", app=app, permissions=[DenyAll])])
    assert (await post_to(parent, f"/sub{PATH}")).status_code == 403
    assert not scopes.seen


async def test_it_may_be_registered_in_a_router() -> None:
    router = Router()
    registered(router)
    app = application()
    app.add_router(router)
    await call(app)


@post(PATH)
async def earlier() -> dict[str, str]:
    return {"text": "earlier"}


@post("/echoservice/unary")
async def below_grpc() -> dict[str, str]:
    return {"text": "below"}


@post("/grpc/{service}/{method}")
async def any_method(service: str, method: str) -> dict[str, str]:
    return {"text": f"{service}.{method}"}


class Elsewhere(BasePath):
    """A route that may go by anything in the scope."""

    path = "/"

    def search(self, scope: Any) -> Any:
        return Match.FULL if (b"host", b"test") in scope["headers"] else Match.NONE, {}

    async def handle_dispatch(self, scope: Any, receive: Any, send: Any) -> None:
        await JSONResponse({"text": "earlier"})(scope, receive, send)


@pytest.mark.parametrize(
    ("route", "text"),
    [
        (lambda: Gateway(handler=earlier), "earlier"),
        (lambda: Gateway(handler=any_method), "echoservice.unary"),
        (lambda: Include("/grpc", routes=[Gateway(handler=below_grpc)]), "below"),
        (lambda: Host("test", app=Router(routes=[Gateway(handler=earlier)])), "earlier"),
        (Elsewhere, "earlier"),
    ],
    ids=["path", "parameters", "include", "host", "custom"],
)
async def test_an_earlier_route_goes_first(route: Callable[[], Any], text: str) -> None:
    earlier_route = route()
    app = registered(application(routes=[earlier_route]))
    # The framework sorts some to the end.
    app.router.routes.sort(key=lambda other: other is not earlier_route)
    assert (await post_to(app)).json() == {"text": text}


async def test_a_later_route_does_not(scopes: Scopes) -> None:
    app = registered(application())
    app.add_route("/", earlier)
    await call(app)
    assert scopes.short


async def test_a_route_that_comes_first_after_the_first_request_goes_first() -> None:
    app = registered(application())
    await call(app)
    app.router.routes.insert(0, Elsewhere())
    assert (await post_to(app)).json() == {"text": "earlier"}


async def test_a_route_that_is_taken_away_is_gone() -> None:
    app = registered(application())
    await call(app)
    # Ravyn looks only whether there are more or fewer routes than when it last looked.
    assert (await post_to(app, "/nowhere")).status_code == 404
    others = [route for route in app.router.routes if route.path != PATH]
    app.router.routes = others
    assert (await post_to(app)).status_code == 404


async def test_routes_that_are_registered_after_the_first_request_are_found(
    scopes: Scopes,
) -> None:
    app = registered(application())
    await call(app)
    registered(app, base_path="/later")
    await call(app, f"/later{PATH}")
    assert scopes.short


async def test_the_middleware_of_a_route_is_run() -> None:
    first = registered(application())
    (handler,) = [route.handler for route in first.router.routes if route.path == PATH]
    app = application()
    app.router.routes.append(Gateway(handler=handler, middleware=[Marking]))
    registered(app)
    assert (await post_to(app)).headers["x-marked"] == "yes"


async def test_other_methods_are_answered_as_ever() -> None:
    app = registered(application())
    async with client_of(app) as client:
        response = await client.get(PATH)
        assert (response.status_code, response.headers["allow"]) == (405, "POST")
        assert (await client.post("/nowhere")).status_code == 404


class LibraryService(pb_grpc.LibraryServicer):
    async def GetBook(self, request: Any, context: Any) -> Any:
        return pb.Book(name=request.name)

    @classmethod
    def __add_to_server__(cls, instance: Any, server: Any) -> None:
        pb_grpc.add_LibraryServicer_to_server(instance, server)


def with_library(app: Any, **options: Any) -> Any:
    register_grpc_http_routes(app, [gateway_of(LibraryService)], **options)
    return app


async def get_book(app: Any, path: str = "/v1/books/mine", **options: Any) -> Any:
    async with client_of(app, **options) as client:
        response = await client.get(path)
    assert response.status_code == 200
    return response.json()["name"]


async def test_rest_routes_of_other_gateways_do_not_stand_in_the_way(scopes: Scopes) -> None:
    app = with_library(application())
    assert any(isinstance(route, RestRoutes) for route in app.routes)
    await call(registered(app))
    assert scopes.short


async def test_a_call_of_a_rest_route_goes_past_the_stack_too(scopes: Scopes) -> None:
    app = with_library(with_library(application()), base_path="/api")
    for path in ("/v1/books/mine", "/api/v1/books/mine"):
        assert await get_book(app, path) == "mine"
        assert scopes.short
    assert await get_book(with_library(application(root_path="/behind"))) == "mine"
    assert scopes.short


@get("/v1/books/{name}")
async def any_book(name: str) -> dict[str, str]:
    return {"name": f"no {name}"}


@get("/books/{name}")
async def book_below(name: str) -> dict[str, str]:
    return {"name": f"no {name}"}


@get("/v1/{path:path}")
async def anything(path: str) -> dict[str, str]:
    return {"name": f"no {path}"}


@pytest.mark.parametrize(
    "route",
    [
        lambda: Gateway(handler=any_book),
        lambda: Gateway(handler=anything),
        lambda: Include("/v1", routes=[Gateway("/", handler=book_below)]),
        Elsewhere,
    ],
    ids=["parameters", "path", "include", "custom"],
)
async def test_an_earlier_route_goes_before_a_rest_route(
    scopes: Scopes, route: Callable[[], Any]
) -> None:
    app = with_library(application(routes=[route()]))
    async with client_of(app) as client:
        assert (await client.get("/v1/books/mine")).json() != {"name": "mine"}
    assert not scopes.seen


async def test_a_rest_route_is_found_that_comes_after_the_first_request(scopes: Scopes) -> None:
    app = registered(application())
    await call(app)
    assert await get_book(with_library(app)) == "mine"
    assert scopes.short
    app.permissions.append(DenyAll)
    async with client_of(app) as client:
        assert (await client.get("/v1/books/mine")).status_code == 403


async def test_a_lifespan_is_run_and_may_add_callbacks() -> None:
    ran: list[str] = []

    async def callback(scope: Any, *_: Any) -> None:
        ran.append(scope["path"])

    async def start() -> None:
        ran.append("start")
        app.router.before_request.append(callback)

    app = registered(application(on_startup=[start]))
    events: list[Any] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> Any:
        return events.pop(0)

    async def send(_event: Any) -> None:
        """Nobody listens."""

    await app({"type": "lifespan"}, receive, send)
    await call(app)
    assert ran == ["start", PATH]


class Telling(EchoService):
    """Tells which way a call has come."""

    async def Unary(self, request: Any, context: Any) -> Any:
        return pb.EchoResponse(text="long" if "app" in context.scope else "short")


async def ways_of(app: Any) -> set[str]:
    """Which way calls by JSON, Connect and gRPC-Web come."""
    gateway = gateway_of(Telling, http_methods=["POST"])
    register_grpc_http_routes(app, [gateway])
    path, web = "/testing.v1.Echo/Unary", {"content-type": "application/grpc-web"}
    async with client_of(app) as client:
        ways = {(await client.post("/grpc/telling/unary", json={})).json()["text"]}
        ways.add((await client.post(path, json={})).json()["text"])
        response = await client.post(path, content=envelope(b""), headers=web)
        ways.update(grpc_web_outcome(response).texts)
    return ways


async def test_calls_by_every_protocol_go_past_the_stack() -> None:
    assert await ways_of(application()) == {"short"}
    middleware = [DefineMiddleware(Marking)]
    assert await ways_of(application(middleware=middleware)) == {"long"}


async def test_leave_for_other_origins_is_given_on_the_short_way() -> None:
    app = application(middleware=[DefineMiddleware(Cors, origins="https://a.example")])
    assert await ways_of(app) == {"short"}
    origin = {"origin": "https://a.example"}
    async with client_of(app) as client:
        for path in ("/grpc/telling/unary", "/testing.v1.Echo/Unary"):
            response = await client.post(path, json={}, headers=origin)
            assert response.headers["access-control-allow-origin"] == "https://a.example"

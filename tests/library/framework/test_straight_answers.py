"""What HTTP/2 may answer without ASGI: RPCs around which the application has nothing to run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest
import wire
from framework_under_test import ApplicationSettings, DenyAll, post
from polyrpc.framework.cors import Cors
from polyrpc.framework.imports import (
    Application,
    DefineMiddleware,
    Gateway,
    Include,
    JSONResponse,
    register_grpc_http_routes,
)
from serving import EchoService, UnchangedLogging, gateway_of
from testing.v1 import testing_pb2 as pb
from testing.v1 import testing_pb2_grpc as pb_grpc

PATH = "/testing.v1.Echo/Unary"
JSON_PATH = "/grpc/echoservice/unary"
JSON = (b"content-type", b"application/json")
GRPC = (b"content-type", b"application/grpc")


class Around:
    """Middleware of the user's."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


@post("/{rest:path}")
async def anything(rest: str) -> JSONResponse:
    return JSONResponse({"rest": rest})


def application(**options: Any) -> Any:
    return Application(logging_config=UnchangedLogging(), enable_openapi=False, **options)


def registered(app: Any) -> Any:
    register_grpc_http_routes(app, [gateway_of(EchoService)])
    return app


def found(
    app: Any, path: str = PATH, header: Any = GRPC, method: str = "POST", query: bytes = b""
) -> bool:
    answers = getattr(app, "straight_answers", lambda: None)()
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query,
        "headers": [header],
    }
    return answers is not None and answers.find(scope) is not None


def test_rpcs_of_a_plain_application_are_answered() -> None:
    app = registered(application())
    assert found(app)
    assert found(app, header=(b"content-type", b"application/grpc-web+proto"))
    assert found(app, header=JSON)
    assert found(app, JSON_PATH, JSON)
    assert app.straight_answers() is app.straight_answers()


def test_other_requests_are_not() -> None:
    app = registered(application())
    assert not found(app, method="GET")
    assert not found(app, path="/testing.v1.Echo/Unknown")
    assert not found(app, header=(b"content-type", b"text/plain"))
    # What cannot be read is refused in the way of everything else.
    assert not found(app, header=(b"grpc-timeout", b"soon"))


def test_other_requests_with_json_are_not() -> None:
    app = registered(application())
    assert not found(app, JSON_PATH, JSON, method="GET")
    assert not found(app, JSON_PATH, GRPC)
    assert not found(app, JSON_PATH, (b"grpc-timeout", b"1S"))
    assert not found(app, JSON_PATH, (b"accept", b"text/html"))
    assert not found(app, JSON_PATH, JSON, query=b"$alt=json;enum-encoding=int")
    assert not found(app, "/grpc/echoservice/serverstream", JSON)


def stack() -> Any:
    app = registered(application())
    app.middleware_stack = Around(app.middleware_stack)
    return app


def earlier_route() -> Any:
    return registered(application(routes=[Gateway(handler=anything)]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: registered(application(middleware=[Around])),
        lambda: registered(application(permissions=[DenyAll])),
        lambda: registered(application(allowed_hosts=["example.com"])),
        lambda: registered(application(settings_module=ApplicationSettings)),
        lambda: registered(application(root_path="/behind")),
        lambda: application(routes=[Include("/", app=registered(application()))]),
        lambda: Around(registered(application())),
        stack,
        earlier_route,
    ],
    ids=[
        *("middleware", "permission", "hosts", "settings", "root path", "mounted"),
        *("wrapped", "stack", "earlier route"),
    ],
)
def test_what_the_application_has_to_run_is_not_left_out(make: Callable[[], Any]) -> None:
    app = make()
    assert not found(app)
    assert not found(app, JSON_PATH, JSON)


def test_pages_of_other_sites_get_their_headers() -> None:
    app = registered(application(middleware=[DefineMiddleware(Cors, origins="*")]))
    scope = {"type": "http", "method": "POST", "path": PATH, "headers": [GRPC]}
    find = app.straight_answers().find
    assert find(scope) is not None
    assert find({**scope, "headers": [GRPC, (b"origin", b"https://example.com")]}) is None


class AroundRpcs(Around):
    skips_rpcs = True

    def around_rpc(self, answer: Any) -> Any:
        return answer


def test_middleware_that_does_not_say_what_it_spares_spares_nothing() -> None:
    cors = DefineMiddleware(Cors, origins="*")
    assert not found(registered(application(middleware=[AroundRpcs, cors])))


def test_what_comes_later_counts() -> None:
    app = registered(application())
    before = app.straight_answers()
    assert found(app)
    app.add_route("/later", handler=anything)
    assert app.straight_answers() is not before
    assert found(app)
    app.permissions.append(DenyAll)
    assert not found(app)


async def test_an_application_may_change_while_a_connection_is_open() -> None:
    app = registered(application())
    async with (
        wire.serving(app, http2=True) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        stub: Any = pb_grpc.EchoStub(channel)
        for _ in range(3):
            assert (await stub.Unary(pb.EchoRequest(text="a"))).text == "a"
        app.permissions.append(DenyAll)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Unary(pb.EchoRequest(text="a"))
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED

"""The OpenAPI documents of applications that route to gateways."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import grpc
import httpx
import pytest
from framework_under_test import ChildApplication, HTTPBearer, OpenAPIResponse, add_child
from library_service import LibraryService
from openapi_spec_validator import OpenAPIV31SpecValidator
from polyrpc import ServiceGateway
from polyrpc.framework.imports import (
    Application,
    Gateway,
    GrpcGateway,
    HTTPHandler,
    Include,
    get,
    register_grpc_http_routes,
)
from polyrpc.framework.openapi import install
from polyrpc.openapi.comments import comments_of
from polyrpc.openapi.operation import Operation, rpc_operations
from polyrpc.protojson.style import JsonStyle
from polyrpc.rpc.methods import RpcMethod, method_table
from pydantic import BaseModel
from serving import EchoService
from testing.v1 import testing_pb2

COMMENTS = comments_of((Path(testing_pb2.__file__).parents[2] / "descriptors.binpb").read_bytes())


class Handler(HTTPHandler):
    def __init__(self, path: str, operations: list[Operation]) -> None:
        methods = [operation.http_method for operation in operations]
        name = path.strip("/").replace("/", "_")
        super().__init__(
            path=path, methods=methods, name=name, status_code=200, include_in_schema=False
        )
        self.fn = answer
        self.validate_handler()
        self.operations = operations


async def answer() -> None: ...


class DescribedGateway(GrpcGateway):
    """As little of a gateway as documents need."""

    def __init__(
        self, path: str, services: list[Any], methods: tuple[str, ...] = ("POST",)
    ) -> None:
        self.path = path
        self.rpcs = method_table(services)
        self.methods = methods

    def _register_http_endpoints(self) -> Iterator[HTTPHandler]:
        install()
        for rpc in self.rpcs:
            yield self.handler(rpc)

    def handler(self, rpc: RpcMethod) -> HTTPHandler:
        path = self.path + rpc.http_path
        return Handler(path, rpc_operations(rpc, path, self.methods, JsonStyle(), COMMENTS))


class Error(BaseModel):
    reason: str


@get("/plain", summary="A plain route")
async def plain() -> str:
    return "plain"


@get("/failure", responses={400: OpenAPIResponse(model=Error)})
async def failure() -> None: ...


async def openapi(app: Application, path: str = "/openapi.json") -> dict[str, Any]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        response = await client.get(path)
    assert response.status_code == 200
    document: dict[str, Any] = response.json()
    OpenAPIV31SpecValidator(document).validate()
    return document


def rpc_paths(document: dict[str, Any]) -> list[str]:
    return [path for path in document["paths"] if "service/" in path]


ECHO = ["unary", "serverstream", "clientstream", "bidi", "everything"]


@get("/orders/{order:int}")
async def an_order(order: int, limit: int) -> None: ...


async def test_parameters_of_ordinary_routes_are_valid_too() -> None:
    app = Application(routes=[Gateway(handler=an_order)], enable_openapi=True)
    register_grpc_http_routes(app, [DescribedGateway("/grpc", [EchoService])])
    document = await openapi(app)
    parameters = document["paths"]["/orders/{order}"]["get"]["parameters"]
    assert {(each["in"], each["name"]) for each in parameters} == {
        ("path", "order"),
        ("query", "limit"),
    }


@pytest.mark.parametrize("base_path", [None, "/", "/api", "/api/v2/"])
async def test_paths_have_the_base_path_of_the_registration(base_path: str | None) -> None:
    app = Application(enable_openapi=True)
    register_grpc_http_routes(app, [DescribedGateway("/grpc", [EchoService])], base_path)
    base = (base_path or "").rstrip("/")
    document = await openapi(app)
    assert sorted(rpc_paths(document)) == sorted(f"{base}/grpc/echoservice/{rpc}" for rpc in ECHO)
    assert document["tags"][0]["description"].startswith("One RPC of each kind")


async def test_parameters_of_the_base_path_are_declared() -> None:
    app = Application(enable_openapi=True)
    gateway = DescribedGateway("/grpc", [EchoService])
    register_grpc_http_routes(app, [gateway], "/tenants/{tenant:str}")
    operation = (await openapi(app))["paths"]["/tenants/{tenant}/grpc/echoservice/unary"]["post"]
    assert operation["parameters"][0] == {
        "name": "tenant",
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
    }


async def test_every_http_method_is_an_operation() -> None:
    app = Application(enable_openapi=True)
    methods = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
    register_grpc_http_routes(app, [DescribedGateway("/grpc", [EchoService], methods)])
    path = (await openapi(app))["paths"]["/grpc/echoservice/unary"]
    assert sorted(path) == sorted(method.lower() for method in methods)


async def test_several_gateways_share_a_document() -> None:
    app = Application(enable_openapi=True)
    gateways = [DescribedGateway("/a", [EchoService]), DescribedGateway("/b", [LibraryService])]
    register_grpc_http_routes(app, gateways)
    register_grpc_http_routes(app, [DescribedGateway("/c", [EchoService])], "/again")
    document = await openapi(app)
    assert {path.split("/")[1] for path in rpc_paths(document)} == {"a", "b", "again"}
    assert [tag["name"] for tag in document["tags"]] == ["testing.v1.Echo", "testing.v1.Library"]


async def test_ordinary_routes_are_described_as_without_gateways() -> None:
    routes = [Gateway(handler=plain), Include("/sub", routes=[Gateway(handler=failure)])]
    before = await openapi(Application(routes=routes, enable_openapi=True))
    app = Application(routes=routes, enable_openapi=True)
    register_grpc_http_routes(app, [DescribedGateway("/grpc", [EchoService])], "/api")
    after = await openapi(app)
    assert {path: after["paths"][path] for path in before["paths"]} == before["paths"]
    assert before["paths"].keys() == {"/plain", "/sub/failure"}
    schemas = after["components"]["schemas"]
    assert before["components"]["schemas"] == {"Error": schemas["Error"]}
    assert schemas["RpcError"]["required"] == ["detail", "code", "status", "details"]


async def test_what_an_ordinary_route_answers_is_described_as_that() -> None:
    app = Application(routes=[Gateway(handler=plain)], enable_openapi=True)
    gateway = DescribedGateway("/", [EchoService])
    handler = Handler(
        "/plain", rpc_operations(gateway.rpcs[0], "/plain", ["GET", "POST"], JsonStyle(), {})
    )
    app.add_route("/", handler)
    described = (await openapi(app))["paths"]["/plain"]
    assert described["get"]["summary"] == "A plain route"
    assert described["post"]["operationId"] == "Echo_Unary_post"


async def test_an_application_without_gateways_keeps_its_document() -> None:
    install()
    document = await openapi(Application(routes=[Gateway(handler=plain)], enable_openapi=True))
    assert list(document["paths"]) == ["/plain"]
    assert "components" not in document


async def test_gateways_of_a_child_are_in_both_documents() -> None:
    # The framework enters what it is asked by in a list that all applications share otherwise.
    child = ChildApplication(enable_openapi=True, servers=[{"url": "/"}])
    register_grpc_http_routes(child, [DescribedGateway("/grpc", [EchoService])], "/api")
    app = Application(
        routes=[Include("/outer", routes=[Include("/child", app=child)])], enable_openapi=True
    )
    outside = await openapi(app)
    assert "/outer/child/api/grpc/echoservice/unary" in outside["paths"]
    inside = await openapi(app, "/outer/child/openapi.json")
    assert "/api/grpc/echoservice/unary" in inside["paths"]
    assert inside["servers"][0] == {"url": "/outer/child"}


async def test_gateways_of_an_added_child_are_in_the_document() -> None:
    child = ChildApplication(enable_openapi=True)
    app = Application(enable_openapi=True)
    add_child(app, "/child", child)
    assert (await openapi(app))["paths"] == {}
    register_grpc_http_routes(child, [DescribedGateway("/grpc", [EchoService])])
    assert "/child/grpc/echoservice/unary" in (await openapi(app))["paths"]


async def test_gateways_may_stand_in_an_include() -> None:
    install()
    gateway = DescribedGateway("/grpc", [EchoService])
    handlers = [Gateway("/api", handler=gateway.handler(rpc)) for rpc in gateway.rpcs]
    app = Application(routes=[Include("/sub", routes=handlers)], enable_openapi=True)
    assert "/sub/api/grpc/echoservice/unary" in (await openapi(app))["paths"]


async def test_what_is_kept_out_of_the_document_stays_out() -> None:
    child = ChildApplication(enable_openapi=True)
    register_grpc_http_routes(child, [DescribedGateway("/grpc", [EchoService])])
    app = Application(
        routes=[Include("/child", app=child, include_in_schema=False)], enable_openapi=True
    )
    assert (await openapi(app))["paths"] == {}


async def test_what_is_below_a_deprecated_include_is_deprecated() -> None:
    child = ChildApplication(enable_openapi=True)
    register_grpc_http_routes(child, [DescribedGateway("/grpc", [EchoService])])
    app = Application(routes=[Include("/child", app=child, deprecated=True)], enable_openapi=True)
    assert (await openapi(app))["paths"]["/child/grpc/echoservice/unary"]["post"][
        "deprecated"
    ] is True


async def test_security_that_the_application_declares_is_required() -> None:
    app = Application(security=[HTTPBearer], enable_openapi=True)
    register_grpc_http_routes(app, [DescribedGateway("/grpc", [EchoService])])
    document = await openapi(app)
    (scheme,) = document["components"]["securitySchemes"]
    assert document["components"]["securitySchemes"][scheme]["scheme"] == "bearer"
    operation = document["paths"]["/grpc/echoservice/unary"]["post"]
    assert operation["security"] == [{scheme: []}]


async def test_what_interceptors_ask_of_callers_is_required_of_rpcs_alone() -> None:
    class Guard(grpc.aio.ServerInterceptor):
        security_schemes: ClassVar[Any] = {"token": {"type": "http", "scheme": "bearer"}}

        async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any: ...

    app = Application(routes=[Gateway(handler=plain)], enable_openapi=True)
    gateway = ServiceGateway("/grpc", [LibraryService], interceptors=[Guard()])
    register_grpc_http_routes(app, [gateway])
    document = await openapi(app)
    assert document["components"]["securitySchemes"] == Guard.security_schemes
    for path in ("/grpc/libraryservice/getbook", "/v1/books/{name}"):
        assert document["paths"][path]["get"]["security"] == [{"token": []}]
    assert "security" not in document["paths"]["/plain"]["get"]


async def test_the_applications_own_tags_come_first() -> None:
    app = Application(tags=["mine"], enable_openapi=True)
    register_grpc_http_routes(app, [DescribedGateway("/grpc", [EchoService])])
    assert [tag["name"] for tag in (await openapi(app))["tags"]] == ["mine", "testing.v1.Echo"]


async def test_asking_twice_gives_the_same_document() -> None:
    app = Application(enable_openapi=True)
    register_grpc_http_routes(app, [DescribedGateway("/grpc", [EchoService])])
    assert await openapi(app) == await openapi(app)


async def test_operations_of_another_package_are_left_to_it() -> None:
    app = Application(enable_openapi=True)
    install()
    foreign: Any = object()
    handler = Handler("/foreign", [])
    handler.operations = [foreign]
    app.add_route("/", handler)
    assert (await openapi(app))["paths"] == {}

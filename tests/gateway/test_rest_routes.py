"""`google.api.http` routes, end to end."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from framework_under_test import ChildApplication
from gateway import ServiceGateway
from gateway.framework import Application, Gateway, Include, get, register_grpc_http_routes
from serving import gateway_of, http_server, serving
from testing.v1 import testing_pb2 as pb
from testing.v1 import testing_pb2_grpc as pb_grpc


class LibraryService(pb_grpc.LibraryServicer):
    """Answers what it was asked, so that tests see how requests arrive."""

    @classmethod
    def __add_to_server__(cls, instance: Any, server: Any) -> None:
        pb_grpc.add_LibraryServicer_to_server(instance, server)

    async def GetBook(self, request: Any, context: Any) -> Any:
        return pb.Book(name=request.name, title="a book")

    async def ListBooks(self, request: Any, context: Any) -> Any:
        titles = [request.parent, request.filter.author, *map(str, request.ids)]
        return pb.ListBooksResponse(books=[pb.Book(title=title) for title in titles])

    async def CreateBook(self, request: Any, context: Any) -> Any:
        return pb.Book(name=f"{request.parent}/books/1", title=request.book.title)

    async def MoveBook(self, request: Any, context: Any) -> Any:
        return pb.Book(name=request.name, title=request.shelf)

    async def GetFile(self, request: Any, context: Any) -> Any:
        return pb.Book(name=request.name)

    async def ReadPages(self, request: Any, context: Any) -> Any:
        for page in (1, 2):
            yield pb.Book(name=request.name, pages=page)


@pytest.mark.parametrize(
    ("method", "path", "body", "answer"),
    [
        ("GET", "/v1/shelves/1/books/2", None, {"name": "shelves/1/books/2", "title": "a book"}),
        ("GET", "/v1/books/a%2Fb", None, {"name": "a/b"}),
        ("GET", "/v1/files/a/b%2Fc/d", None, {"name": "a/b%2Fc/d"}),
        (
            "POST",
            "/v1/shelves/1/books",
            {"title": "new"},
            {"name": "shelves/1/books/1", "title": "new"},
        ),
        (
            "POST",
            "/v1/shelves/1/books/2:move",
            {"shelf": "other"},
            {"name": "shelves/1/books/2", "title": "other"},
        ),
    ],
)
async def test_requests_reach_the_rpc_and_answers_come_back(
    method: str, path: str, body: Any, answer: dict[str, str]
) -> None:
    async with serving(gateway_of(LibraryService)) as served:
        response = await served.http.request(method, path, json=body)
        assert response.status_code == 200
        assert response.json().items() >= answer.items()


async def test_query_parameters_and_response_body() -> None:
    async with serving(gateway_of(LibraryService)) as served:
        response = await served.http.get("/v1/shelves/7/books?filter.author=Ada&ids=1&ids=2")
        titles = [book["title"] for book in response.json()]
        assert titles == ["shelves/7", "Ada", "1", "2"]


async def test_a_server_stream_streams() -> None:
    async with serving(gateway_of(LibraryService)) as served:
        response = await served.http.get("/v1/shelves/1/books/2/pages")
        assert response.headers["content-type"] == "application/x-ndjson"
        assert len(response.text.splitlines()) == 2


async def test_another_method_is_405_with_all_that_are_allowed() -> None:
    async with serving(gateway_of(LibraryService)) as served:
        response = await served.http.put("/v1/shelves/1/books/2")
        assert response.status_code == 405
        assert response.headers["allow"] == "DELETE, GET, PATCH"


async def test_an_unknown_path_is_404() -> None:
    async with serving(gateway_of(LibraryService)) as served:
        assert (await served.http.get("/v1/shelves/1")).status_code == 404


async def test_a_malformed_variable_or_parameter_is_400() -> None:
    async with serving(gateway_of(LibraryService)) as served:
        for path in ("/v1/books/%FF", "/v1/shelves/7/books?ids=x", "/v1/shelves/7/books?no=1"):
            response = await served.http.get(path)
            assert (response.status_code, response.json()["code"]) == (400, 3), path


async def test_routes_stand_below_base_path_without_the_gateways_path() -> None:
    async with serving(gateway_of(LibraryService), base_path="/api") as served:
        assert (await served.http.get("/api/v1/books/x")).status_code == 200
        assert (await served.http.get("/v1/books/x")).status_code == 404
        assert (await served.http.get("/api/grpc/v1/books/x")).status_code == 404


async def test_expose_http_false_has_no_rest_routes_either() -> None:
    async with serving(gateway_of(LibraryService, expose_http=False)) as served:
        assert (await served.http.get("/v1/books/x")).status_code == 404


async def test_ordinary_routes_of_the_application_win() -> None:
    @get()
    async def mine() -> str:
        return "mine"

    app = Application(routes=[Gateway("/v1/books/mine", handler=mine)])
    async with serving(gateway_of(LibraryService), app=app) as served:
        assert (await served.http.get("/v1/books/mine")).json() == "mine"
        assert (await served.http.get("/v1/books/other")).json()["name"] == "other"


async def test_they_work_in_a_mounted_application() -> None:
    child = ChildApplication()
    register_grpc_http_routes(child, [gateway_of(LibraryService)])
    app = Application(routes=[Include("/mounted/here", app=child)])
    async with (
        http_server(app) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http,
    ):
        response = await http.get("/mounted/here/v1/books/a%2Fb")
        assert response.json()["name"] == "a/b"


@pytest.mark.parametrize("path", ["/v1/books/a%2Fb", "/behind/it/v1/books/a%2Fb"])
async def test_they_work_behind_a_proxy(path: str) -> None:
    app = Application(root_path="/behind/it")
    async with serving(gateway_of(LibraryService), app=app) as served:
        assert (await served.http.get(path)).json()["name"] == "a/b"
        assert (await served.http.get(f"/behind/him{path}")).status_code == 404


async def test_two_gateways_with_the_same_route_are_refused() -> None:
    app = Application()
    register_grpc_http_routes(app, [gateway_of(LibraryService)])
    again = ServiceGateway("/again", [LibraryService])
    with pytest.raises(ValueError, match=r"Library\.GetBook .* and .*Library\.GetBook"):
        register_grpc_http_routes(app, [again])

"""`google.api.http` routes, end to end."""

from __future__ import annotations

import itertools
import re
from typing import Any

import grpc
import pytest
from framework_under_test import ChildApplication
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from library_service import LibraryService
from polyrpc import ServiceGateway
from polyrpc.framework.application import UnchangedLogging
from polyrpc.framework.imports import Application, Gateway, Include, get, register_grpc_http_routes
from protocol_clients import by_asgi
from serving import gateway_of, http_client, http_server, serving
from testing.v1 import testing_pb2 as pb

numbers = itertools.count()


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
        assert response.headers["allow"] == "DELETE, GET, HEAD, PATCH"


async def test_head_is_answered_as_get_is_without_the_body() -> None:
    async with serving(gateway_of(LibraryService)) as served:
        for path, status in (("/v1/books/a", 200), ("/v1/books/%FF", 400), ("/v1/none", 404)):
            head, get = await served.http.head(path), await served.http.get(path)
            assert (head.status_code, head.content) == (status, b"")
            if status != 404:  # which is the framework's
                assert head.headers["content-length"] == get.headers["content-length"]


async def test_head_of_a_stream_ends_with_its_headers() -> None:
    async with serving(gateway_of(LibraryService)) as served:
        response = await served.http.head("/v1/shelves/1/books/2/pages")
        assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("path", ["/v1/shelves/1/books/2", "/v1/shelves/1/books/2/pages"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_where_no_body_is_announced_none_is_waited_for(method: str, path: str) -> None:
    """Over HTTP/2, uvicorn does not say that there is none."""
    async with serving(gateway_of(LibraryService)) as served, by_asgi(served) as there:
        response = await there.http.request(method, path)
    assert response.status_code == 200
    assert bool(response.content) is (method == "GET")


async def test_a_body_that_is_announced_is_still_read() -> None:
    async with serving(gateway_of(LibraryService)) as served, by_asgi(served) as there:
        response = await there.http.request("GET", "/v1/shelves/1/books/2", content=b"1")
    assert response.status_code == 400


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
        http_client(port) as http,
    ):
        response = await http.get("/mounted/here/v1/books/a%2Fb")
        assert response.json()["name"] == "a/b"


@pytest.mark.parametrize("path", ["/v1/books/a%2Fb", "/pre/fix/v1/books/a%2Fb"])
async def test_a_root_path_need_not_be_in_the_path(path: str) -> None:
    app = Application(root_path="/pre/fix", logging_config=UnchangedLogging())
    async with serving(gateway_of(LibraryService), app=app) as served:
        assert (await served.http.get(path)).json()["name"] == "a/b"
        assert (await served.http.get("/prefix/v1/books/a")).status_code == 404


async def test_of_two_gateways_with_the_same_route_the_first_answers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Application(logging_config=UnchangedLogging())
    register_grpc_http_routes(app, [gateway_of(LibraryService)])
    assert not caplog.records
    register_grpc_http_routes(app, [ServiceGateway("/again", [LibraryService])])
    warnings = warnings_of(caplog)
    assert len(warnings) == len(set(warnings)) == 9
    assert re.match(r".*Library\.GetBook .* is never reached: .*Library\.GetBook ", warnings[0])


async def test_what_another_route_hides_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    @get()
    async def mine() -> str:
        return "mine"

    hidden = annotated(
        Get='get: "/healthz" additional_bindings {get: "/any/{text}"}',
        Rpc='post: "/grpc/annotated/get"',
        Part='get: "/{text}" additional_bindings {post: "/healthz"}',
    )
    routes = [Gateway("/healthz", handler=mine), Gateway("/any/{one}", handler=mine)]
    app = Application(routes=routes, logging_config=UnchangedLogging())
    async with serving(gateway_of(hidden, http_methods=["POST"]), app=app) as served:
        assert (await served.http.get("/healthz")).json() == "mine"
        assert (await served.http.get("/other")).json()["text"] == "Part other"
        assert (await served.http.post("/healthz")).json()["text"] == "Part "
    warnings = warnings_of(caplog)
    assert [re.sub(r"served_\d+", "p", warning) for warning in warnings] == [
        f"p.Annotated.{rpc} is never reached: the route {route} answers the same requests; "
        "change one path"
        for rpc, route in (
            ("Get (GET /healthz)", "/healthz"),
            ("Get (GET /any/{text})", "/any/{one}"),
            ("Rpc (POST /grpc/annotated/get)", "/grpc/annotated/get"),
        )
    ]


async def test_what_cannot_be_served_never_costs_the_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rules = {
        "Body": 'get: "/v1/x" body: "*"',
        "Field": 'post: "/v1/x" body: "a.b"',
        "Slash": 'get: "v1/x"',
        "Twice": 'get: "/v1/{text}/{text}"',
        "None": 'body: "*"',
        "Two": 'get: "/v1/{text}-{count}"',
        "Good": 'get: "/good/{count}" additional_bindings {get: "/bad/{no}"}',
    }
    async with serving(gateway_of(annotated(**rules))) as served:
        assert (await served.http.get("/good/3")).json() == {"text": "Good ", "index": 3}
        for rpc in rules:
            response = await served.http.post(f"/grpc/annotated/{rpc.lower()}", json={"text": "a"})
            assert response.json()["text"] == f"{rpc} a"
    warnings = warnings_of(caplog)
    assert len(warnings) == len(rules)
    for rpc, warning in zip(rules, warnings, strict=True):
        assert re.match(rf"not served: served_\d+\.Annotated\.{rpc}: google\.api\.http: ", warning)


async def test_variables_are_set_on_each_message_of_a_stream() -> None:
    class Streamed(annotated(stream=True, Send='post: "/v1/{text=rooms/*}:send" body: "*"')):
        async def Send(self, request_iterator: Any, context: Any) -> Any:
            received = [f"{each.text} {each.count}" async for each in request_iterator]
            return pb.EchoResponse(text=",".join(received))

    async with serving(gateway_of(Streamed)) as served:
        for body in ([{"count": 1}, {"count": 2, "text": "x"}], []):
            response = await served.http.post("/v1/rooms/1:send", json=body)
            assert response.json()["text"] == ",".join(f"rooms/1 {each['count']}" for each in body)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("plain", "malformed JSON: expecting value at line 1 column 1"),
        ('"a", "count": 1', "malformed JSON: extra data at line 1 column 4"),
        ('\n"\\ud800"', "malformed JSON: half a surrogate pair at line 2 column 2"),
        (b'"\xff"', "malformed JSON: no UTF-8 at line 1 column 2"),
        ("[" * 5000, "the request body is nested too deeply"),
    ],
)
async def test_what_is_wrong_with_a_value_is_said_as_of_a_message(
    body: str | bytes, detail: str
) -> None:
    json_type = {"content-type": "application/json"}
    async with serving(gateway_of(annotated(Call='post: "/v1/x" body: "text"'))) as served:
        response = await served.http.post("/v1/x", content=body, headers=json_type)
        assert (response.status_code, response.json()["detail"]) == (400, detail)


async def test_so_is_its_line_in_a_stream() -> None:
    lines = {"content-type": "application/x-ndjson"}

    class Streamed(annotated(stream=True, Send='post: "/v1/x" body: "text"')):
        async def Send(self, request_iterator: Any, context: Any) -> Any:
            return pb.EchoResponse(text=",".join([each.text async for each in request_iterator]))

    async with serving(gateway_of(Streamed)) as served:
        good = await served.http.post("/v1/x", content='"a"\n"b"\n', headers=lines)
        assert good.json()["text"] == "a,b"
        bad = await served.http.post("/v1/x", content='"a"\n\nb\n', headers=lines)
        detail = "line 3: malformed JSON: expecting value at column 1"
        assert (bad.status_code, bad.json()["detail"]) == (400, detail)


async def test_a_rule_without_body_takes_an_empty_object() -> None:
    async with serving(gateway_of(annotated(Call='post: "/v1/{text}"'))) as served:
        for body, status in ((b"", 200), (b"{}", 200), (b'{"count": 1}', 400)):
            headers = {"content-type": "application/json"}
            response = await served.http.post("/v1/a", content=body, headers=headers)
            assert response.status_code == status


def annotated(stream: bool = False, **rules: str) -> Any:
    """A service that has RPCs with these rules and answers which of them is called."""
    name = f"served_{next(numbers)}"
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{name}.proto",
        package=name,
        syntax="proto3",
        dependency=[pb.DESCRIPTOR.name],
    )
    service = file.service.add(name="Annotated")
    for rpc, rule in rules.items():
        method = service.method.add(
            name=rpc,
            input_type=".testing.v1.EchoRequest",
            output_type=".testing.v1.EchoResponse",
            client_streaming=stream,
        )
        text_format.Parse(rule, method.options.Extensions[annotations_pb2.http])
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())

    class Annotated:
        @classmethod
        def __add_to_server__(cls, instance: Any, server: Any) -> None:
            make = (
                grpc.stream_unary_rpc_method_handler
                if stream
                else grpc.unary_unary_rpc_method_handler
            )
            handlers = {
                rpc: make(
                    getattr(instance, rpc, None) or answering(rpc),
                    pb.EchoRequest.FromString,
                    pb.EchoResponse.SerializeToString,
                )
                for rpc in rules
            }
            server.add_registered_method_handlers(f"{name}.Annotated", handlers)

    return Annotated


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    records = [
        record
        for record in caplog.records
        if record.name in ("polyrpc.transcoding", "polyrpc.framework")
    ]
    assert {record.levelname for record in records} == {"WARNING"}
    return [record.getMessage() for record in records]


def answering(rpc: str) -> Any:
    async def answer(request: Any, _context: Any) -> Any:
        return pb.EchoResponse(text=f"{rpc} {request.text}", index=request.count)

    return answer

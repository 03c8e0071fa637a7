"""`google.api.HttpBody`: bodies that are no JSON, over routes of RPCs and of rules."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import httpx
import pytest
from google.api.httpbody_pb2 import HttpBody
from serving import gateway_of, serving
from testing.v1 import media_pb2, media_pb2_grpc
from testing.v1 import testing_pb2 as pb

PNG = b"\x89PNG\r\n\x1a\n\x00\xff"


class MediaService(media_pb2_grpc.MediaServicer):
    @classmethod
    def __add_to_server__(cls, instance: Any, server: Any) -> None:
        media_pb2_grpc.add_MediaServicer_to_server(instance, server)

    async def Echo(self, request: Any, context: Any) -> Any:
        return request

    async def Upload(self, request: Any, context: Any) -> Any:
        return pb.Book(
            name=request.name, pages=len(request.file.data), title=request.file.content_type
        )

    async def Download(self, request: Any, context: Any) -> Any:
        if request.text == "none":
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is none")
        return HttpBody(data=PNG, content_type=request.text)

    async def Wrapped(self, request: Any, context: Any) -> Any:
        return media_pb2.UploadRequest(name="n", file=HttpBody(data=PNG, content_type="image/png"))

    async def Parts(self, request: Any, context: Any) -> Any:
        if request.text == "early":
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is none")
        for part in (b"one ", b"", b"\n\r\x00two"):
            yield HttpBody(data=part, content_type="text/csv; charset=utf-8")
        if request.text == "late":
            await context.abort(grpc.StatusCode.DATA_LOSS, "there was more")

    async def Collect(self, request_iterator: Any, context: Any) -> Any:
        received = [each async for each in request_iterator]
        return pb.Book(
            name=",".join(sorted({each.name for each in received})),
            title=",".join(sorted({each.file.content_type for each in received})),
            pages=sum(len(each.file.data) for each in received),
            tags=[str(max(len(each.file.data) for each in received))],
        )


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    gateway = gateway_of(MediaService, max_message_bytes=1000)
    async with serving(gateway) as served:
        yield served.http


@pytest.mark.parametrize("path", ["/v1/media", "/grpc/mediaservice/echo"])
@pytest.mark.parametrize("content_type", ["image/png", "application/json", 'Text/Plain; a="b"'])
async def test_a_body_is_taken_and_given_as_it_stands(
    http: httpx.AsyncClient, path: str, content_type: str
) -> None:
    headers = {"content-type": content_type, "accept": "image/*"}
    for body in (PNG, b"", b'{"data": 1}'):
        response = await http.post(path, content=body, headers=headers)
        assert (response.status_code, response.content) == (200, body)
        assert response.headers.get_list("content-type") == [content_type]


async def test_the_body_is_the_field_that_the_rule_names(http: httpx.AsyncClient) -> None:
    headers = {"content-type": "image/png"}
    response = await http.put("/v1/media/shelves/1", content=PNG, headers=headers)
    assert (
        response.json().items()
        >= {"name": "shelves/1", "title": "image/png", "pages": "10"}.items()
    )
    response = await http.put("/v1/media/shelves/1", content=PNG)
    assert response.json()["title"] == ""


@pytest.mark.parametrize(
    "path", ["/v1/wrapped/x", "/v1/media/image%2Fpng", "/grpc/mediaservice/download?text=image/png"]
)
async def test_a_response_may_be_a_body(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path + ("&" if "?" in path else "?") + "$alt=json;enum-encoding=int")
    assert (response.content, response.headers["content-type"]) == (PNG, "image/png")
    assert response.headers["content-length"] == "10"


@pytest.mark.parametrize(
    "content_type", ["", "image", "a/b\r\nx-evil: 1", "a/b\n", "a/é", "a/b;\x00", "a b/c", "/"]
)
async def test_what_is_no_content_type_cannot_be_a_header(
    http: httpx.AsyncClient, content_type: str
) -> None:
    response = await http.post("/grpc/mediaservice/download", json={"text": content_type})
    assert (response.status_code, response.content) == (200, PNG)
    assert response.headers["content-type"] == "application/octet-stream"
    assert "x-evil" not in response.headers


async def test_failures_are_json(http: httpx.AsyncClient) -> None:
    for path in ("/v1/media/none", "/v1/media/early/parts"):
        response = await http.get(path, headers={"accept": "image/png"})
        assert (response.status_code, response.headers["content-type"]) == (404, "application/json")
        assert response.json()["detail"] == "there is none"
    response = await http.post("/v1/media", content=b"x" * 1001)
    assert (response.status_code, response.json()["code"]) == (413, 8)
    response = await http.post("/v1/media", content=b"x", headers={"content-encoding": "gzip"})
    assert response.status_code == 415


@pytest.mark.parametrize("accept", ["*/*", "text/csv", "application/json"])
async def test_a_stream_of_responses_is_one_body(http: httpx.AsyncClient, accept: str) -> None:
    response = await http.get("/v1/media/x/parts", headers={"accept": accept})
    assert response.content == b"one \n\r\x00two"
    assert response.headers["content-type"] == "text/csv; charset=utf-8"


async def test_a_stream_that_fails_is_cut(http: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await http.get("/v1/media/late/parts")


async def test_a_stream_of_requests_is_a_body_in_parts(http: httpx.AsyncClient) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(50):
            yield b"x" * 2500

    async def body() -> AsyncIterator[bytes]:
        for part in parts():
            yield part

    headers = {"content-type": "video/mp4"}
    response = await http.post("/v1/media/shelves/1:collect", content=body(), headers=headers)
    collected = response.json()
    assert collected["pages"] == str(sum(map(len, parts())))
    assert (collected["name"], collected["title"]) == ("shelves/1", "video/mp4")
    assert int(collected["tags"][0]) <= 1000
    response = await http.post("/v1/media/shelves/1:collect", headers=headers)
    assert (response.json()["name"], response.json()["pages"]) == ("shelves/1", "0")

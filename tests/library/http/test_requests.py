"""What is asked of a request's method and headers, whichever route it comes by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from library_service import LibraryService
from polyrpc.framework.application import UnchangedLogging
from polyrpc.framework.imports import Application, register_grpc_http_routes
from serving import EchoService, gateway_of, serving
from test_disconnects import SERVERS
from testing.v1 import testing_pb2 as pb

UNARY = "/grpc/echoservice/unary"
JSON = {"content-type": "application/json"}


async def raw(port: int, request: bytes) -> bytes:
    """All that a server answers on a connection that it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(
    ("path", "length"),
    [
        (f"{UNARY}?text=World&count=5", b"content-length: 26\r\n"),
        ("/v1/books/x", b"content-length: "),
        (f"{UNARY}?count=many", b"content-length: "),
        ("/grpc/echoservice/serverstream?count=1", b"content-type: application/x-ndjson"),
        ("/v1/shelves/1/books/2/pages", b"content-type: application/x-ndjson"),
    ],
)
async def test_head_is_answered_wherever_get_is_and_has_no_body(
    server: str, path: str, length: bytes
) -> None:
    app = Application(logging_config=UnchangedLogging())
    register_grpc_http_routes(app, [gateway_of(EchoService, LibraryService)])
    async with SERVERS[server](app) as port:
        answers = [
            await raw(
                port,
                b"%b %b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n" % (method, path.encode()),
            )
            for method in (b"GET", b"HEAD")
        ]
    (get, body), (head, nothing) = (answer.split(b"\r\n\r\n", 1) for answer in answers)
    assert head.splitlines()[0] == get.splitlines()[0]
    assert length in head + b"\r\n"
    assert body
    assert nothing == b""


async def test_head_ends_a_stream_that_would_not() -> None:
    ended = asyncio.Event()

    class Endless(EchoService):
        async def ServerStream(self, request: Any, context: Any) -> AsyncIterator[Any]:
            try:
                yield pb.EchoResponse()
                await asyncio.Event().wait()
            finally:
                ended.set()

    async with serving(gateway_of(Endless)) as served:
        response = await served.http.head("/grpc/endless/serverstream")
        assert (response.status_code, response.content) == (200, b"")
        await ended.wait()


async def test_head_comes_with_get_alone() -> None:
    async with serving(gateway_of(EchoService, http_methods=["POST"])) as served:
        response = await served.http.head(UNARY)
        assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
async def test_the_type_of_no_content_is_not_judged(content_type: str) -> None:
    headers = {"content-type": content_type}
    async with serving(gateway_of(EchoService, LibraryService)) as served:
        for method, path in [
            ("POST", UNARY),  # curl -d ''
            ("POST", "/grpc/echoservice/clientstream"),
            ("GET", UNARY),
            ("GET", "/v1/books/x"),
            ("DELETE", UNARY),
        ]:
            response = await served.http.request(method, path, headers=headers)
            assert response.status_code == 200, (method, path)
        for chunked in (False, True):

            async def chunks() -> AsyncIterator[bytes]:
                yield b"{}"

            response = await served.http.post(
                UNARY, content=chunks() if chunked else b"{}", headers=headers
            )
            assert response.status_code == 415


PAGE = {"origin": "https://elsewhere.example"}
SAME_PAGE = {"origin": "http://localhost"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        (JSON | PAGE, 200),
        (JSON | PAGE | {"sec-fetch-site": "cross-site"}, 200),
        (SAME_PAGE, 200),
        (PAGE | {"sec-fetch-site": "same-origin"}, 200),
        (PAGE, 415),
        ({"origin": "null"}, 415),
        (SAME_PAGE | {"sec-fetch-site": "same-site"}, 415),
        ({"sec-fetch-site": "cross-site"}, 415),
    ],
)
@pytest.mark.parametrize("content", [b"", b"{}"])
@pytest.mark.parametrize("rpc", ["unary", "serverstream", "clientstream", "bidi"])
async def test_a_page_of_another_site_must_have_asked_for_leave(
    rpc: str, content: bytes, headers: dict[str, str], status: int
) -> None:
    async with serving(gateway_of(EchoService)) as served:
        response = await served.http.post(
            f"/grpc/echoservice/{rpc}", content=content, headers=headers | {"host": "localhost"}
        )
        assert response.status_code == status
        if status == 415:
            assert "application/json" in response.json()["detail"]


async def test_a_form_of_another_site_is_refused_with_and_without_fields() -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    async with serving(gateway_of(EchoService)) as served:
        for content in (b"", b"a=b"):
            response = await served.http.post(UNARY, content=content, headers=form | PAGE)
            assert response.status_code == 415


class Unauthenticated(EchoService):
    async def Unary(self, request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")

    async def ServerStream(self, request: Any, context: Any) -> AsyncIterator[Any]:
        await self.Unary(request, context)
        yield

    async def ClientStream(self, request_iterator: Any, context: Any) -> Any:
        context.set_code(grpc.StatusCode.UNAUTHENTICATED)
        return pb.EchoResponse()

    async def Bidi(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:
        await context.send_initial_metadata((("www-authenticate", "DPoP"),))
        await self.Unary(None, context)
        yield


@pytest.mark.parametrize(
    ("rpc", "challenge"),
    [("unary", "Bearer"), ("serverstream", "Bearer"), ("clientstream", "Bearer"), ("bidi", "DPoP")],
)
async def test_401_says_what_to_authenticate_with(rpc: str, challenge: str) -> None:
    async with serving(gateway_of(Unauthenticated)) as served:
        response = await served.http.post(f"/grpc/unauthenticated/{rpc}")
        assert response.status_code == 401
        assert response.headers.get_list("www-authenticate") == [challenge]

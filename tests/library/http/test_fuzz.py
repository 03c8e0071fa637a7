"""Whatever a caller sends, the answer is a response of the gateway, never a 500 or a hang."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from asgi import answer_of
from hypothesis import given
from hypothesis import strategies as st
from library_service import LibraryService
from polyrpc import ServiceGateway
from polyrpc.framework.imports import Application, register_grpc_http_routes
from serving import EchoService, UnchangedLogging

LIMIT = 2_000
RPCS = ["unary", "serverstream", "clientstream", "bidi", "everything"]
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "HEAD", "NONSENSE"]
HEADER_NAMES = ["accept", "content-type", "content-length", "content-encoding", "grpc-timeout"]
HEADER_NAMES += ["x-some-bin", "x-some", "user-agent", "te", "connection", "cookie"]
JSON_FRAGMENTS = [b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\n", b"null", b"1e999"]
JSON_FRAGMENTS += [b'"text"', b'"count"', b'"@type"', b"\xff", b"\\ud800", b'{"text":"a"}', b"0"]


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def app() -> Any:
    app = Application(logging_config=UnchangedLogging())
    services = [EchoService, LibraryService]
    gateway = ServiceGateway("/grpc", services, max_message_bytes=LIMIT)
    register_grpc_http_routes(app, [gateway])
    return app


async def request(
    app: Any,
    method: str,
    raw_path: bytes,
    query: bytes,
    headers: list[tuple[bytes, bytes]],
    chunks: list[bytes],
) -> tuple[int, bytes, bytes | None]:
    """Calls the application as a server does; returns status, body and media type."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": raw_path.decode("latin-1"),
        "raw_path": raw_path,
        "root_path": "",
        "query_string": query,
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    sent = await answer_of(app, scope, chunks)
    body = b"".join(event.get("body", b"") for event in sent[1:])
    return sent[0]["status"], body, dict(sent[0]["headers"]).get(b"content-type")


headers = st.lists(
    st.tuples(
        st.sampled_from(HEADER_NAMES).map(str.encode),
        st.one_of(
            st.binary(max_size=30),
            st.sampled_from(
                [b"application/json", b"application/x-ndjson", b"text/event-stream", b"*/*"]
            ),
            st.from_regex(rb"[0-9]{1,9}[HMSmun]", fullmatch=True),
        ),
    ),
    max_size=4,
)
bodies = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.lists(st.sampled_from(JSON_FRAGMENTS), max_size=12).map(b"".join),
        st.integers(0, 3_000).map(lambda size: b"[" * size),
        st.integers(0, 3_000).map(lambda size: b'{"text":"%b"}' % (b"x" * size)),
    ),
    min_size=1,
    max_size=4,
)
queries = st.one_of(
    st.binary(max_size=40),
    st.lists(st.sampled_from([b"text=a", b"count=1", b"&", b"%", b"=", b"ids=1"])).map(b"".join),
)


@given(st.sampled_from(METHODS), st.sampled_from(RPCS), queries, headers, bodies)
def test_rpc_routes(
    app: Any,
    runner: asyncio.Runner,
    method: str,
    rpc: str,
    query: bytes,
    headers: list[tuple[bytes, bytes]],
    chunks: list[bytes],
) -> None:
    path = f"/grpc/echoservice/{rpc}".encode()
    status, body, media_type = runner.run(request(app, method, path, query, headers, chunks))
    if method == "HEAD":
        assert body == b""
    else:
        answered(status, body, media_type)


@given(
    st.sampled_from(METHODS),
    st.one_of(
        st.binary(max_size=40),
        st.lists(
            st.sampled_from([b"/", b"v1", b"shelves", b"books", b"%2F", b"%", b":move", b"a"]),
            max_size=8,
        ).map(b"".join),
    ),
    queries,
    bodies,
)
def test_rest_routes(
    app: Any, runner: asyncio.Runner, method: str, path: bytes, query: bytes, chunks: list[bytes]
) -> None:
    raw_path = b"/v1/" + path
    status, body, media_type = runner.run(request(app, method, raw_path, query, [], chunks))
    if media_type == b"application/json" and b'"code"' in body:
        answered(status, body, media_type)
    assert status != 500


def answered(status: int, body: bytes, media_type: bytes | None) -> None:
    """Asserts that a response is one that the gateway may give to anything."""
    assert status in {200, 400, 404, 405, 406, 413, 415, 504}
    if media_type == b"application/json":
        error = json.loads(body) if status != 200 else None
        assert error is None or error.keys() == {"detail", "code", "status", "details"}
        assert error is None or "\n" not in error["detail"]

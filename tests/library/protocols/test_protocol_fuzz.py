"""Whatever a caller sends, the answer is one of the protocol's: never a 500, never a hang."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import logging
import struct
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote

import grpc
import pytest
from asgi import answer_of
from hypothesis import given
from hypothesis import strategies as st
from polyrpc import ServiceGateway
from polyrpc.framework.application import UnchangedLogging
from polyrpc.framework.imports import Application, register_grpc_http_routes
from polyrpc.protocols.base64_text import Base64Reader
from polyrpc.protocols.compression import accepts_gzip, compressed, decompressed
from polyrpc.protocols.envelopes import EnvelopeReader, envelope
from polyrpc.protocols.grpc_headers import percent_encoded
from polyrpc.rpc.status import CallError
from protocol_clients import CONNECT_CODES, envelopes
from safe_service import SafeService
from serving import EchoService
from testing.v1 import testing_pb2 as pb

LIMIT = 500
ONE = pb.EchoRequest(text="a", count=2).SerializeToString()
PATHS = [f"/testing.v1.Echo/{rpc}" for rpc in ("Unary", "ServerStream", "ClientStream", "Bidi")]
PATHS += ["/testing.v1.Safe/Look", "/grpc/echoservice/unary"]
ENVELOPED = ["application/grpc", "application/grpc-web", "application/connect"]
CONTENT_TYPES = [
    *(f"{name}{codec}" for name in ENVELOPED for codec in ("", "+proto", "+json", "+foo")),
    *("application/grpc-web-text", "application/grpc-web-text+proto"),
    *("application/proto", "application/json", "APPLICATION/PROTO ; charset=utf-8", "", "text/x"),
]
HEADER_NAMES = [
    *("content-encoding", "accept-encoding", "connect-content-encoding", "grpc-encoding"),
    *("connect-accept-encoding", "grpc-accept-encoding", "grpc-timeout", "connect-timeout-ms"),
    *("connect-protocol-version", "x-some-bin", "x-some", "content-length", "te", "trailer-x"),
]
HEADER_VALUES = [b"gzip", b"identity", b"br", b"1", b"0", b"5S", b"1000", b"1n", b"AA==", b""]
STATUSES = {200, 400, 404, 405, 413, 415, 429, 499, 501, 504}
CODES = {code.value[0] for code in grpc.StatusCode}


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def app() -> Any:
    return make_app()


def make_app() -> Any:
    """An application with a small limit for messages."""
    app = Application(logging_config=UnchangedLogging())
    gateway = ServiceGateway("/grpc", [EchoService, SafeService], max_message_bytes=LIMIT)
    register_grpc_http_routes(app, [gateway])
    return app


async def request(
    app: Any,
    method: str,
    path: str,
    query: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    chunks: Sequence[bytes],
    *,
    http_version: str = "2",
) -> list[Any]:
    """Calls the application as a server does; returns what it has sent."""
    scope = scope_of(method, path, query, headers, http_version)
    return await answer_of(app, scope, chunks)


def scope_of(
    method: str,
    path: str,
    query: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    http_version: str = "2",
) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": http_version,
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query,
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "extensions": {"http.response.trailers": {}},
    }


class Stream:
    """A request on a stream of HTTP/2, and its response as the events that ASGI has for it."""

    def __init__(self, chunks: Sequence[bytes], *, takes_all: bool) -> None:
        self.handler: Any = None
        self.more_body = True
        self.sent = 0
        self.events: list[Any] = []
        self._coming = list(chunks)
        self._body = b""
        self._takes_all = takes_all

    def arrive(self) -> None:
        """Has the next part of the body."""
        self._body += self._coming.pop(0)
        self.more_body = bool(self._coming)
        self.handler.stream_changed()

    def read(self) -> bytes:
        body, self._body = self._body, b""
        return body

    def let_pause(self) -> None:
        """Nobody hurries."""

    def send_headers(self, status: int, headers: Any) -> None:
        self.events.append(
            {"type": "http.response.start", "status": status, "headers": list(headers)}
        )

    async def send(self, data: bytes, *, end: bool = False) -> None:
        self.sent += len(data)
        self.events.append({"type": "http.response.body", "body": data, "more_body": not end})

    def send_now(self, data: bytes) -> bool:
        if self._takes_all:
            self.sent += len(data)
            self.events.append({"type": "http.response.body", "body": data, "more_body": True})
        return self._takes_all

    def send_trailers(self, headers: Any) -> None:
        self.events[0]["trailers"] = True
        self.events.append({"type": "http.response.body", "body": b"", "more_body": False})
        self.events.append({"type": "http.response.trailers", "headers": list(headers)})

    def send_whole(self, constant: Any, headers: Any, data: bytes, trailers: Any) -> bool:
        if not self._takes_all:
            return False
        self.send_headers(200, [*constant, *headers])
        self.events.append(
            {"type": "http.response.body", "body": data, "more_body": trailers is not None}
        )
        if trailers is not None:
            self.send_trailers(trailers)
        return True


async def straight(
    app: Any, scope: dict[str, Any], chunks: Sequence[bytes], *, takes_all: bool
) -> list[Any] | None:
    """Does what `request` does without ASGI; None: this one goes by ASGI."""
    begin = app.straight_answers().find(scope)
    if begin is None:
        return None
    stream = Stream(chunks, takes_all=takes_all)
    work = begin(stream)
    stream.arrive()
    task = asyncio.ensure_future(work)
    while stream.more_body:
        await asyncio.sleep(0)
        stream.arrive()
    async with asyncio.timeout(60):
        await task
    return stream.events


def seen(events: list[Any]) -> tuple[int, list[Any], bytes, list[Any]]:
    """What a client sees of a response."""
    bodies = [event["body"] for event in events if event["type"] == "http.response.body"]
    trailers = [event for event in events if event["type"] == "http.response.trailers"]
    start = events[0]
    return (
        start["status"],
        start["headers"],
        b"".join(bodies),
        [header for event in trailers for header in event["headers"]],
    )


def check(sent: list[Any]) -> None:
    """Looks whether a response is whole, by the rules of the protocol that it is of."""
    start = sent[0]
    headers = dict(start["headers"])
    for name, value in start["headers"]:
        assert b"\n" not in name + value
    content_type = headers[b"content-type"].decode()
    bodies = [event for event in sent if event["type"] == "http.response.body"]
    assert [event.get("more_body", False) for event in bodies] == [True] * (len(bodies) - 1) + [
        False
    ]
    body = b"".join(event["body"] for event in bodies)
    assert start["status"] in STATUSES
    if content_type.startswith("application/json") and start["status"] != 200:
        if headers.get(b"content-encoding") == b"gzip":
            body = gzip.decompress(body)
        code = json.loads(body)["code"]
        assert code in CODES or code in CONNECT_CODES
    elif content_type.startswith("application/grpc-web"):
        assert start["status"] == 200
        if "text" in content_type:
            body = Base64Reader().feed(body)
        *_, (flags, trailers) = envelopes(body)
        assert flags == 0x80
        assert trailers.count(b"grpc-status: ") == 1
    elif content_type.startswith("application/grpc"):
        assert start["status"] == 200
        assert start["trailers"]
        assert sent[-1]["type"] == "http.response.trailers"
        assert int(dict(sent[-1]["headers"])[b"grpc-status"]) in CODES
    elif content_type.startswith("application/connect+"):
        assert start["status"] == 200
        *_, (flags, end) = envelopes(body)
        assert flags == 2
        assert json.loads(end).get("error", {"code": "unknown"})["code"] in CONNECT_CODES
    else:
        assert start["status"] == 200


messages = st.one_of(
    st.just(ONE),
    st.just(b""),
    st.just(b'{"text":"a"}'),
    st.binary(max_size=20),
    st.integers(0, 2 * LIMIT).map(lambda size: pb.EchoRequest(text="a" * size).SerializeToString()),
    st.sampled_from([gzip.compress(ONE), gzip.compress(b"\0" * 100_000)[:LIMIT]]),
)
pieces = st.one_of(
    messages.map(envelope),
    st.builds(envelope, messages, st.integers(0, 255)),
    st.builds(
        lambda flags, length, data: struct.pack(">BI", flags, length) + data,
        st.sampled_from([0, 1, 2, 0x80]),
        st.one_of(st.integers(0, 40), st.integers(0, 2**32 - 1)),
        messages,
    ),
    st.binary(max_size=12),
)
bodies = st.lists(pieces, max_size=4).map(b"".join)


@st.composite
def chunks_of(draw: Any) -> list[bytes]:
    body = draw(st.one_of(bodies, messages, bodies.map(base64.b64encode)))
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=4)))
    return [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]


headers = st.lists(
    st.tuples(
        st.sampled_from(HEADER_NAMES).map(str.encode),
        st.one_of(st.sampled_from(HEADER_VALUES), st.binary(max_size=12)),
    ),
    max_size=4,
)


@given(
    st.sampled_from(["POST"] * 6 + ["GET", "PUT", "HEAD"]),
    st.sampled_from(PATHS),
    st.sampled_from(CONTENT_TYPES),
    headers,
    chunks_of(),
    st.sampled_from(["2", "1.1"]),
    st.booleans(),
)
def test_requests_of_every_content_type(
    app: Any,
    runner: asyncio.Runner,
    method: str,
    path: str,
    content_type: str,
    headers: list[tuple[bytes, bytes]],
    chunks: list[bytes],
    http_version: str,
    takes_all: bool,
) -> None:
    sent_headers = [(b"content-type", content_type.encode()), *headers]
    # Not the servicer's fault, whatever it is: nothing of it is an error in the log.
    logged: list[logging.LogRecord] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = logged.append  # type: ignore[method-assign]  # all that a handler is for
    logging.getLogger("polyrpc").addHandler(handler)
    try:
        sent = runner.run(
            request(app, method, path, b"", sent_headers, chunks, http_version=http_version)
        )
        if http_version == "2":
            scope = scope_of(method, path, b"", sent_headers)
            likewise = runner.run(straight(app, scope, chunks, takes_all=takes_all))
            if likewise is not None:
                check(likewise)
                assert seen(likewise) == seen(sent)
    finally:
        logging.getLogger("polyrpc").removeHandler(handler)
    if method != "HEAD":
        check(sent)
    assert not logged


queries = st.one_of(
    st.binary(max_size=60),
    st.lists(
        st.tuples(
            st.sampled_from([b"message", b"encoding", b"base64", b"compression", b"connect"]),
            st.one_of(
                st.sampled_from([b"proto", b"json", b"1", b"v1", b"gzip", b"%7B%7D", b"CgFh"]),
                st.binary(max_size=10),
            ),
        ).map(b"=".join),
        max_size=6,
    ).map(b"&".join),
)


@given(queries, headers)
def test_queries(
    app: Any, runner: asyncio.Runner, query: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    check(runner.run(request(app, "GET", "/testing.v1.Safe/Look", query, headers, [b""])))


@given(st.lists(st.binary(max_size=50), max_size=5), st.data())
def test_envelopes_are_read_however_they_are_cut(data: list[bytes], draw: st.DataObject) -> None:
    body = b"".join(map(envelope, data))
    reader = EnvelopeReader(50, None)
    found: list[bytes] = []
    while body:
        size = draw.draw(st.integers(1, len(body)))
        reader.feed(body[:size])
        body = body[size:]
        while (message := reader.next()) is not None:
            found.append(message)
    reader.close()
    assert found == data


@given(st.lists(st.binary(max_size=20), max_size=5), st.data())
def test_base64_is_read_however_it_is_cut(data: list[bytes], draw: st.DataObject) -> None:
    text = b"".join(map(base64.b64encode, data))
    reader = Base64Reader()
    found = b""
    while text:
        size = draw.draw(st.integers(1, len(text)))
        found += reader.feed(text[:size])
        text = text[size:]
    reader.close()
    assert found == b"".join(data)


@given(st.binary(max_size=2000), st.integers(0, 2000))
def test_what_is_decompressed_is_never_longer_than_allowed(data: bytes, most: int) -> None:
    if len(data) <= most:
        assert decompressed(compressed(data), most) == data
        return
    with pytest.raises(CallError) as error:
        decompressed(compressed(data), most)
    assert error.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED


@given(
    st.one_of(st.binary(min_size=1, max_size=100), st.binary(max_size=60).map(compressed)),
    st.data(),
)
def test_what_is_no_gzip_is_refused(data: bytes, draw: st.DataObject) -> None:
    cut = data[: draw.draw(st.integers(0, len(data) - 1))]
    with pytest.raises(CallError) as error:
        decompressed(cut, 100)
    assert error.value.code is grpc.StatusCode.INVALID_ARGUMENT


@given(st.text())
def test_a_status_message_is_printable_and_can_be_read_again(text: str) -> None:
    encoded = percent_encoded(text)
    assert encoded.isascii()
    assert all(0x20 <= byte < 0x7F for byte in encoded)
    assert unquote(encoded.decode()) == text.encode(errors="replace").decode()


@given(st.one_of(st.none(), st.binary(max_size=40)), st.one_of(st.none(), st.just(b"gzip")))
def test_any_list_of_compressions_is_read(accepted: bytes | None, sent: bytes | None) -> None:
    assert accepts_gzip(accepted, sent) in (True, False)

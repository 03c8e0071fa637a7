"""Streams over HTTP: framings in both directions, failures, back-pressure, full duplex."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import pytest
from serving import EchoService, Served, gateway_of, serving
from testing.v1 import testing_pb2 as pb

STREAM = "/grpc/echoservice/serverstream"
NDJSON = "application/x-ndjson"


async def server_stream(served: Served, accept: str | None) -> httpx.Response:
    headers = {} if accept is None else {"accept": accept}
    return await served.http.post(STREAM, json={"text": "x", "count": 2}, headers=headers)


@pytest.mark.parametrize("accept", [None, "*/*", NDJSON, f"{NDJSON}, application/json;q=0.5"])
async def test_ndjson_is_the_default_framing(accept: str | None) -> None:
    async with serving(gateway_of(EchoService)) as served:
        response = await server_stream(served, accept)
        assert response.headers["content-type"] == NDJSON
        assert [json.loads(line) for line in response.text.splitlines()] == [
            {"result": {"text": "x", "index": 0}},
            {"result": {"text": "x", "index": 1}},
        ]


async def test_server_sent_events() -> None:
    async with serving(gateway_of(EchoService)) as served:
        response = await server_stream(served, "text/event-stream")
        assert response.headers["content-type"] == "text/event-stream"
        assert response.text == ('data: {"text":"x","index":0}\n\ndata: {"text":"x","index":1}\n\n')


class Silent(EchoService):
    """Sends `count` messages, a text for each, then says nothing until it is told to go on."""

    def __init__(self, code: grpc.StatusCode = grpc.StatusCode.OK) -> None:
        self.go_on = asyncio.Event()
        self.code = code

    async def ServerStream(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for index in range(request.count):
            yield pb.EchoResponse(text="x", index=index)
        await self.go_on.wait()
        context.set_code(self.code)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEADERS_AFTER_SECONDS", "COMMENT_AFTER_SECONDS"):
        monkeypatch.setattr(f"polyrpc.http.response.{name}", 0.01)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("code", [grpc.StatusCode.OK, grpc.StatusCode.ABORTED])
async def test_server_sent_events_are_never_silent_for_long(
    code: grpc.StatusCode, count: int
) -> None:
    servicer = Silent(code)
    async with (
        serving(gateway_of(servicer)) as served,
        served.http.stream(
            "POST",
            "/grpc/silent/serverstream",
            json={"count": count},
            headers={"accept": "text/event-stream"},
        ) as response,
    ):
        assert response.status_code == 200
        lines = response.aiter_lines()
        if count:
            assert await anext(lines) == 'data: {"text":"x","index":0}'
            assert await anext(lines) == ""
        for _ in range(3):
            assert [await anext(lines), await anext(lines)] == [":", ""]
        servicer.go_on.set()
        rest = [line async for line in lines if line not in (":", "")]
        assert rest[:1] == ([] if code is grpc.StatusCode.OK else ["event: error"])


@pytest.mark.usefixtures("impatient")
async def test_only_server_sent_events_have_comments() -> None:
    servicer = Silent(grpc.StatusCode.ABORTED)
    async with serving(gateway_of(servicer)) as served:
        calls = [
            asyncio.create_task(
                served.http.post(
                    "/grpc/silent/serverstream", json={}, headers={"accept": media_type}
                )
            )
            for media_type in (NDJSON, "application/json")
        ]
        async with served.http.stream(
            "POST", "/grpc/silent/serverstream", json={}, headers={"accept": "text/event-stream"}
        ) as response:
            # By now the others would have had theirs.
            chunks = response.aiter_lines()
            for _ in range(4):
                assert await anext(chunks) in (":", "")
            servicer.go_on.set()
            assert [(await call).status_code for call in calls] == [409, 409]


async def test_an_early_failure_of_server_sent_events_is_an_ordinary_error() -> None:
    servicer = Silent(grpc.StatusCode.ABORTED)
    async with serving(gateway_of(servicer)) as served:
        asyncio.get_running_loop().call_later(0.01, servicer.go_on.set)
        response = await served.http.post(
            "/grpc/silent/serverstream", json={}, headers={"accept": "text/event-stream"}
        )
        assert response.status_code == 409
        assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize("accept", [NDJSON, "text/event-stream", "application/json"])
async def test_proxies_are_told_to_hand_on_each_message(accept: str) -> None:
    async with serving(gateway_of(EchoService)) as served:
        response = await server_stream(served, accept)
        assert response.headers["x-accel-buffering"] == "no"
        assert response.headers.get_list("cache-control") == ["no-cache"]


async def test_a_servicer_may_say_otherwise_to_proxies() -> None:
    class Cacheable(EchoService):
        async def ServerStream(self, request: Any, context: Any) -> AsyncIterator[Any]:
            await context.send_initial_metadata((("cache-control", "max-age=5"),))
            yield pb.EchoResponse()

    async with serving(gateway_of(Cacheable)) as served:
        response = await served.http.post("/grpc/cacheable/serverstream", json={})
        assert response.headers.get_list("cache-control") == ["max-age=5"]


async def test_a_json_array() -> None:
    async with serving(gateway_of(EchoService)) as served:
        response = await server_stream(served, "application/json")
        assert response.json() == [{"text": "x", "index": 0}, {"text": "x", "index": 1}]


@pytest.mark.parametrize(
    ("accept", "body"), [(NDJSON, ""), ("text/event-stream", ""), ("application/json", "[]")]
)
async def test_an_empty_stream(accept: str, body: str) -> None:
    async with serving(gateway_of(EchoService)) as served:
        response = await served.http.post(STREAM, json={}, headers={"accept": accept})
        assert (response.status_code, response.text) == (200, body)


async def test_what_no_framing_satisfies_is_406() -> None:
    async with serving(gateway_of(EchoService)) as served:
        for path in (STREAM, "/grpc/echoservice/unary"):
            response = await served.http.post(path, json={}, headers={"accept": "image/png"})
            assert (response.status_code, response.json()["code"]) == (406, 3)


class Breaking(EchoService):
    """Fails after `count` messages."""

    async def ServerStream(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for index in range(request.count):
            yield pb.EchoResponse(index=index)
        await context.abort(grpc.StatusCode.ABORTED, "broken")


ERROR = {"detail": "broken", "code": 10, "status": "ABORTED", "details": []}


@pytest.mark.parametrize("accept", [NDJSON, "text/event-stream", "application/json"])
async def test_a_failure_before_the_first_message_is_an_ordinary_error(accept: str) -> None:
    async with serving(gateway_of(Breaking)) as served:
        response = await served.http.post(
            "/grpc/breaking/serverstream", json={}, headers={"accept": accept}
        )
        assert (response.status_code, response.json()) == (409, ERROR)


async def test_a_failure_after_the_start_is_the_last_line_or_event() -> None:
    async with serving(gateway_of(Breaking)) as served:
        path = "/grpc/breaking/serverstream"
        lines = await served.http.post(path, json={"count": 1})
        assert json.loads(lines.text.splitlines()[-1]) == {"error": ERROR}
        events = await served.http.post(
            path, json={"count": 1}, headers={"accept": "text/event-stream"}
        )
        name, data = events.text.split("\n\n")[1].splitlines()
        assert name == "event: error"
        assert json.loads(data.removeprefix("data: ")) == ERROR


async def test_a_failure_after_the_start_of_an_array_cuts_the_connection() -> None:
    async with serving(gateway_of(Breaking)) as served:
        with pytest.raises(httpx.RemoteProtocolError):
            await served.http.post(
                "/grpc/breaking/serverstream",
                json={"count": 1},
                headers={"accept": "application/json"},
            )


@pytest.mark.parametrize(
    ("content_type", "body", "texts"),
    [
        (NDJSON, b'{"text":"a"}\n\r\n{"text":"b"}', "a,b"),
        ("application/json", b'[{"text":"a"}, {"text":"b"}]', "a,b"),
        ("application/json", b'{"text":"a"}', "a"),
        (None, b'[{"text":"a"}]', "a"),
        (NDJSON, b"", ""),
        ("application/json", b"", ""),
    ],
)
async def test_request_framings(content_type: str | None, body: bytes, texts: str) -> None:
    async with serving(gateway_of(EchoService)) as served:
        headers = {} if content_type is None else {"content-type": content_type}
        response = await served.http.post(
            "/grpc/echoservice/clientstream", content=body, headers=headers
        )
        assert response.json()["text"] == texts


@pytest.mark.parametrize(
    ("content_type", "body", "detail"),
    [
        ("application/json", b'[{"text":"a"}, {"text":5}]', "[1]: text: expected a string"),
        ("application/json", b'{"text":5}', "text: expected a string"),
        (NDJSON, b'{"text":"a"}\n\n{"text":5}\n', "line 3: text: expected a string"),
        (NDJSON, b"{}\n{}\n {]", "line 3: malformed JSON: "),
        (NDJSON, b'{}\n{"text":"%b"}' % (b"x" * 5_000_000), "line 2: a message may have at most"),
    ],
    ids=["array", "single", "line", "malformed", "large"],
)
async def test_the_message_of_a_stream_that_is_wrong_is_named(
    content_type: str, body: bytes, detail: str
) -> None:
    async with serving(gateway_of(EchoService)) as served:
        response = await served.http.post(
            "/grpc/echoservice/clientstream", content=body, headers={"content-type": content_type}
        )
        assert response.status_code == (413 if "at most" in detail else 400)
        assert response.json()["detail"].startswith(detail)
        assert "line 1" not in response.json()["detail"]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'[{"text":"a"}, {"text":1}]', "text"),
        (b'[{"text":"a"} {"text":"b"}]', "byte 14"),
        (b'[{"text":"a"}', "byte 13"),
        (b'[{"text":"a"}]]', "byte 14"),
    ],
)
async def test_a_malformed_stream_is_400_and_names_the_place(body: bytes, place: str) -> None:
    async with serving(gateway_of(EchoService)) as served:
        response = await served.http.post("/grpc/echoservice/clientstream", content=body)
        assert response.status_code == 400
        assert place in response.json()["detail"]


async def test_the_messages_before_a_malformed_one_are_answered() -> None:
    async with serving(gateway_of(EchoService)) as served:
        response = await served.http.post(
            "/grpc/echoservice/bidi",
            content=b'{"text":"a"}\n{"text":"b"}\nnot json\n',
            headers={"content-type": NDJSON},
        )
        *answers, error = [json.loads(line) for line in response.text.splitlines()]
        assert [answer["result"]["text"] for answer in answers] == ["a", "b"]
        assert error["error"]["status"] == "INVALID_ARGUMENT"


class HttpConnection:
    """One HTTP/1.1 exchange, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, served: Served, path: str, *headers: str) -> HttpConnection:
        connection = cls(*await asyncio.open_connection("127.0.0.1", served.port))
        lines = [f"POST {path} HTTP/1.1", "host: localhost", *headers, "", ""]
        connection.writer.write("\r\n".join(lines).encode())
        return connection

    async def chunk(self, data: bytes) -> None:
        self.writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self.writer.drain()

    async def line(self) -> bytes:
        """The next line of the response's body, which comes as one chunk each."""
        while not (line := await self.reader.readline()).startswith(b"{"):
            assert line, "the connection was closed"
        return line

    def abort(self) -> None:
        self.writer.transport.abort()


async def test_bidirectional_streams_run_both_ways_at_once() -> None:
    async with serving(gateway_of(EchoService)) as served:
        connection = await HttpConnection.open(
            served,
            "/grpc/echoservice/bidi",
            f"content-type: {NDJSON}",
            "transfer-encoding: chunked",
        )
        for index, text in enumerate(("one", "two", "three")):
            await connection.chunk(b'{"text":"%b"}\n' % text.encode())
            answer = json.loads(await connection.line())
            assert answer == {"result": {"text": text, "index": index}}
        connection.abort()


async def test_each_message_is_sent_as_it_is_produced() -> None:
    go_on = asyncio.Event()

    class Waiting(EchoService):
        async def ServerStream(self, request: Any, context: Any) -> AsyncIterator[Any]:
            yield pb.EchoResponse(text="first")
            await go_on.wait()
            yield pb.EchoResponse(text="second")

    async with (
        serving(gateway_of(Waiting)) as served,
        served.http.stream("POST", "/grpc/waiting/serverstream", json={}) as response,
    ):
        lines = response.aiter_lines()
        assert "first" in await anext(lines)
        go_on.set()
        assert "second" in await anext(lines)


async def test_a_long_stream_leaves_room_for_other_calls() -> None:
    other_answered = False

    class Endless(EchoService):
        async def ServerStream(self, request: Any, context: Any) -> AsyncIterator[Any]:
            while not other_answered:
                yield pb.EchoResponse(text="x")

    async with serving(gateway_of(Endless)) as served:

        async def read_all() -> None:
            await served.http.post("/grpc/endless/serverstream", json={})

        reading = asyncio.create_task(read_all())
        assert (await served.stub.Unary(pb.EchoRequest(text="other"))).text == "other"
        other_answered = True
        await reading


async def test_a_stalled_reader_holds_up_the_handler() -> None:
    sent = 0
    stalled = asyncio.Event()

    class Endless(EchoService):
        async def ServerStream(self, request: Any, context: Any) -> AsyncIterator[Any]:
            nonlocal sent
            while True:
                waiting = asyncio.get_running_loop().call_later(0.5, stalled.set)
                yield pb.EchoResponse(text="x" * 10_000)
                waiting.cancel()
                sent += 1

    async with serving(gateway_of(Endless)) as served:
        connection = await HttpConnection.open(
            served, "/grpc/endless/serverstream", "content-length: 0"
        )
        # The handler waits for its reader, which reads nothing, before it has sent much.
        await stalled.wait()
        assert sent < 2_000
        connection.abort()


async def test_a_slow_handler_holds_up_the_client() -> None:
    go_on = asyncio.Event()

    class Slow(EchoService):
        async def ClientStream(self, request_iterator: Any, context: Any) -> Any:
            await go_on.wait()
            return pb.EchoResponse(index=len([None async for _ in request_iterator]))

    line = b'{"text":"%b"}\n' % (b"x" * 10_000)
    async with serving(gateway_of(Slow)) as served:
        connection = await HttpConnection.open(
            served,
            "/grpc/slow/clientstream",
            f"content-type: {NDJSON}",
            "transfer-encoding: chunked",
            "connection: close",  # Its one answer ends with no line break.
        )
        connection.writer.transport.set_write_buffer_limits(high=0)
        written = 0
        try:
            while written < 10_000:
                async with asyncio.timeout(0.5):
                    await connection.chunk(line)
                written += 1
        except TimeoutError:
            written += 1  # it is in the writer's buffer
        assert written < 10_000
        go_on.set()
        await connection.chunk(b"")
        assert json.loads(await connection.line())["index"] == written
        connection.abort()


@pytest.mark.parametrize("rpc", ["unary", "serverstream", "clientstream", "bidi"])
async def test_a_disconnect_cancels_the_handler(rpc: str) -> None:
    entered, cancelled = asyncio.Event(), asyncio.Event()

    class Waiting(EchoService):
        async def wait(self, request: Any, context: Any) -> Any:
            entered.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                assert context.cancelled()
                cancelled.set()
                raise

        Unary = ServerStream = ClientStream = Bidi = wait

    async with serving(gateway_of(Waiting)) as served:
        connection = await HttpConnection.open(
            served, f"/grpc/waiting/{rpc}", "content-length: 2\r\n\r\n{}"
        )
        await entered.wait()
        connection.abort()
        await cancelled.wait()

"""Deadlines, disconnects, metadata and details: what holds for a call, by whatever protocol."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2, wrappers_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from http2_wire import RST_STREAM, frame, http2, number
from protocol_clients import (
    CALLERS,
    WAYS,
    by_connect,
    by_grpc_web,
    connect_stream_outcome,
    envelope,
    envelopes,
    grpc_web_outcome,
    requests_of,
    straight,
)
from serving import EchoService, gateway_of, serving
from testing.v1 import testing_pb2 as pb
from testing.v1 import testing_pb2_grpc as pb_grpc

EVERY = pytest.mark.parametrize("call", CALLERS.values(), ids=CALLERS)
ONE = pb.EchoRequest(text="a", count=2).SerializeToString()


class Waiting(EchoService):
    """Waits for good, and notes how that ends."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.remaining: list[float | None] = []

    async def wait(self, _request: Any, context: Any) -> Any:
        self.remaining.append(context.time_remaining())
        self.entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    Unary = wait

    async def ServerStream(self, request: Any, context: Any) -> AsyncIterator[Any]:
        yield pb.EchoResponse(text="one")
        await self.wait(request, context)

    async def Bidi(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:
        async for request in request_iterator:
            yield pb.EchoResponse(text=request.text)
        await self.wait(request_iterator, context)


@pytest.mark.parametrize("rpc", ["Unary", "ServerStream", "Bidi"])
async def test_a_deadline_ends_the_call(rpc: str) -> None:
    waiting = Waiting()
    async with serving(gateway_of(waiting)) as served:
        requests = requests_of(rpc, ["a"])
        over_web = await by_grpc_web(served, rpc, requests, headers={"grpc-timeout": "50m"})
        over_connect = await by_connect(served, rpc, requests, headers={"connect-timeout-ms": "50"})
    for outcome in (over_web, over_connect):
        assert outcome.code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert outcome.texts == {"Unary": [], "ServerStream": ["one"], "Bidi": ["a"]}[rpc]
    assert all(remaining is not None and remaining <= 0.05 for remaining in waiting.remaining)


async def test_a_call_without_a_deadline_gets_the_default_one() -> None:
    async with serving(gateway_of(Waiting(), default_timeout=0.05)) as served:
        requests = requests_of("Unary", ["a"])
        assert (await by_grpc_web(served, "Unary", requests)).code is (
            grpc.StatusCode.DEADLINE_EXCEEDED
        )
        assert (await by_connect(served, "Unary", requests)).code is (
            grpc.StatusCode.DEADLINE_EXCEEDED
        )


@pytest.mark.parametrize("rpc", ["Unary", "ServerStream", "Bidi"])
@pytest.mark.parametrize(
    "content_type", ["application/grpc-web", "application/connect+proto", "application/proto"]
)
async def test_a_client_that_goes_away_ends_its_call(rpc: str, content_type: str) -> None:
    if (content_type == "application/proto") is not (rpc == "Unary") and "web" not in content_type:
        content_type = "application/grpc-web"  # Connect calls each kind of RPC by one type only.
    body = ONE if content_type == "application/proto" else envelope(ONE)
    waiting = Waiting()
    async with serving(gateway_of(waiting)) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(
            f"POST /testing.v1.Echo/{rpc} HTTP/1.1\r\nhost: a\r\ncontent-type: {content_type}\r\n"
            f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        await waiting.entered.wait()
        assert not waiting.cancelled.is_set()
        writer.close()
        await waiting.cancelled.wait()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("rpc", ["Unary", "ServerStream", "Bidi"])
async def test_a_stream_of_http_2_that_is_reset_ends_its_call(rpc: str, way: Any) -> None:
    waiting = Waiting()
    async with (
        serving(gateway_of(waiting)) as served,
        way(served) as there,
        grpc.aio.insecure_channel(f"127.0.0.1:{there.port}") as channel,
    ):
        request = pb.EchoRequest(text="a")
        stub: Any = pb_grpc.EchoStub(channel)
        call = getattr(stub, rpc)(iter([request]) if rpc == "Bidi" else request)
        await waiting.entered.wait()
        call.cancel()
        await waiting.cancelled.wait()


async def test_a_stream_that_is_reset_before_its_call_begins_ends_it() -> None:
    waiting = Waiting()

    class Deaf(EchoService):
        async def Bidi(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:
            await waiting.wait(None, context)
            yield pb.EchoResponse()

    async with (
        serving(gateway_of(Deaf)) as served,
        straight(served) as there,
        http2(there.port) as client,
    ):
        stream = client.ask(
            "/testing.v1.Echo/Bidi", ("content-type", "application/grpc"), end=False
        )
        client.send(frame(RST_STREAM, 0, stream, number(8)))
        await waiting.cancelled.wait()


@EVERY
async def test_details_of_errors_are_in_the_form_of_the_protocol(call: Any) -> None:
    known = error_details_pb2.BadRequest(
        field_violations=[error_details_pb2.BadRequest.FieldViolation(field="text")]
    )
    details = [any_pb2.Any(), any_pb2.Any(type_url="example.com/a.b.Unknown", value=b"\0\xff")]
    details[0].Pack(known)

    class Rich(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            status = status_pb2.Status(
                code=code_pb2.INVALID_ARGUMENT, message="Look closer", details=details
            )
            await context.abort_with_status(rpc_status.to_status(status))

    async with serving(gateway_of(Rich)) as served:
        outcome = await call(served, "Unary", ["a"])
    assert (outcome.code, outcome.details) == (grpc.StatusCode.INVALID_ARGUMENT, "Look closer")
    assert outcome.rich == [
        ("google.rpc.BadRequest", known.SerializeToString()),
        ("a.b.Unknown", b"\0\xff"),
    ]


async def test_connect_shows_details_as_json_too() -> None:
    class Rich(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            detail = any_pb2.Any()
            detail.Pack(wrappers_pb2.StringValue(value="why"))
            status = status_pb2.Status(code=code_pb2.ABORTED, details=[detail])
            await context.abort_with_status(rpc_status.to_status(status))

    async with serving(gateway_of(Rich)) as served:
        response = await served.http.post("/testing.v1.Echo/Unary", json={})
    assert response.json() == {
        "code": "aborted",
        "details": [
            {
                "type": "google.protobuf.StringValue",
                "value": "CgN3aHk",
                "debug": {"value": "why"},
            }
        ],
    }
    assert not any("grpc" in name for name in response.headers)


@EVERY
async def test_metadata_in_both_directions(call: Any) -> None:
    class Echoing(EchoService):
        async def ServerStream(self, request: Any, context: Any) -> AsyncIterator[Any]:
            received = context.invocation_metadata()
            sent = dict(received)
            assert not {"connect-protocol-version", "grpc-encoding", "grpc-timeout"} & set(sent)
            assert all(isinstance(value, bytes) == key.endswith("-bin") for key, value in received)
            await context.send_initial_metadata(
                [("x-initial", sent["x-sent"]), ("x-initial-bin", sent["x-bin"])]
            )
            context.set_trailing_metadata([("x-trailing", "2"), ("x-trailing-bin", b"\xfe")])
            yield pb.EchoResponse(text="one")

        async def Unary(self, request: Any, context: Any) -> Any:
            return await anext(self.ServerStream(request, context))

    async with serving(gateway_of(Echoing)) as served:
        for rpc in ("Unary", "ServerStream"):
            outcome = await call(served, rpc, ["a"])
            assert (outcome.texts, outcome.details) == (["one"], "")
            assert outcome.initial["x-initial"] == "1"
            assert outcome.initial["x-initial-bin"] == b"\0\xff"
            assert outcome.trailing["x-trailing"] == "2"
            assert outcome.trailing["x-trailing-bin"] == b"\xfe"


async def test_one_key_may_have_several_values() -> None:
    class Several(EchoService):
        async def ServerStream(self, request: Any, context: Any) -> AsyncIterator[Any]:
            values = [value for key, value in context.invocation_metadata() if key == "x-many-bin"]
            assert values == [b"a", b"b"]
            context.set_trailing_metadata([("x-many", "1"), ("x-many", "2")])
            yield pb.EchoResponse(text="one")

    async with serving(gateway_of(Several)) as served:
        for content_type in ("application/grpc-web", "application/connect+proto"):
            response = await served.http.post(
                "/testing.v1.Echo/ServerStream",
                content=envelope(ONE),
                headers=[("content-type", content_type), ("x-many-bin", "YQ,Yg==")],
            )
            *_, (_, end) = envelopes(response.content)
            expected = b'{"metadata":{"x-many":["1","2"]}}'
            if "web" in content_type:
                expected = b"grpc-status: 0\r\nx-many: 1\r\nx-many: 2\r\n"
            assert end == expected


@pytest.mark.parametrize("content_type", ["application/grpc-web", "application/connect+proto"])
async def test_both_directions_run_at_once_over_http_1(content_type: str) -> None:
    async with serving(gateway_of(EchoService)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(
            f"POST /testing.v1.Echo/Bidi HTTP/1.1\r\nhost: a\r\ncontent-type: {content_type}\r\n"
            "transfer-encoding: chunked\r\n\r\n".encode()
        )
        for text in ("a", "b", "c"):
            message = envelope(pb.EchoRequest(text=text).SerializeToString())
            writer.write(b"%x\r\n%b\r\n" % (len(message), message))
            found = await reader.readuntil(b"\n\x01" + text.encode())
            assert text != "a" or found.startswith(b"HTTP/1.1 200")
        writer.write(b"0\r\n\r\n")
        ended = await reader.readuntil(b"0\r\n\r\n")
        assert (b"grpc-status: 0" if "web" in content_type else b"{}") in ended
        writer.close()


async def test_initial_metadata_of_a_stream_come_before_its_first_message() -> None:
    go_on = asyncio.Event()

    class Telling(EchoService):
        async def ServerStream(self, request: Any, context: Any) -> AsyncIterator[Any]:
            await context.send_initial_metadata([("x-initial", "1")])
            await go_on.wait()
            yield pb.EchoResponse(text="one")

    async with serving(gateway_of(Telling)) as served:
        for content_type in ("application/grpc-web", "application/connect+proto"):
            go_on.clear()
            async with served.http.stream(
                "POST",
                "/testing.v1.Echo/ServerStream",
                content=envelope(ONE),
                headers={"content-type": content_type},
            ) as response:
                assert response.headers["x-initial"] == "1"
                go_on.set()
                await response.aread()
            outcome_of = grpc_web_outcome if "web" in content_type else connect_stream_outcome
            assert outcome_of(response).texts == ["one"]


async def test_a_slow_reader_holds_up_the_servicer() -> None:
    sent = 0
    going = asyncio.Event()

    class Endless(EchoService):
        async def ServerStream(self, request: Any, context: Any) -> AsyncIterator[Any]:
            nonlocal sent
            while True:
                yield pb.EchoResponse(text="x" * 100_000)
                sent += 1
                going.set()

    async with serving(gateway_of(Endless)) as served:
        connection = socket.create_connection(("127.0.0.1", served.port))
        connection.sendall(
            b"POST /testing.v1.Echo/ServerStream HTTP/1.1\r\nhost: a\r\n"
            b"content-type: application/grpc-web\r\ncontent-length: %d\r\n\r\n%b"
            % (len(envelope(ONE)), envelope(ONE))
        )
        await going.wait()
        before = -1
        while before != sent:  # Until nothing more goes into the socket's buffers.
            before = sent
            await asyncio.sleep(0.2)
        assert sent < 1000
        connection.close()


@pytest.mark.parametrize("path", ["/grpc/scenario/unary", "/testing.v1.Echo/Unary"])
async def test_headers_that_end_at_the_connection_are_no_metadata(path: str) -> None:
    class Scenario(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            return pb.EchoResponse(text=" ".join(key for key, _ in context.invocation_metadata()))

    async with serving(gateway_of(Scenario)) as served:
        headers = [
            ("connection", "keep-alive, X-One"),
            ("connection", "x-two"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("x-three", "3"),
        ]
        response = await served.http.post(path, json={}, headers=headers)
    keys = response.json()["text"].split()
    assert "x-three" in keys
    assert not {"connection", "keep-alive", "x-one", "x-two"} & set(keys)

"""Deadlines, sizes and malformed requests."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import suppress
from typing import Any

import grpc
import pytest
from polyrpc.interceptors.concurrency_limit import ConcurrencyLimit
from polyrpc.interceptors.standard import StandardInterceptor
from serving import EchoService, gateway_of, serving
from testing.v1 import testing_pb2 as pb

UNARY = "/grpc/echoservice/unary"


class Waiting(EchoService):
    """Never answers, and remembers how it ended."""

    def __init__(self) -> None:
        self.entered, self.cancelled = asyncio.Event(), asyncio.Event()

    async def Unary(self, request: Any, context: Any) -> Any:
        self.entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()

    async def ServerStream(self, request: Any, context: Any) -> Any:
        yield pb.EchoResponse(text="first")
        await self.Unary(request, context)


async def test_past_its_deadline_the_handler_is_cancelled_and_the_answer_is_504() -> None:
    servicer = Waiting()
    async with serving(gateway_of(servicer)) as served:
        response = await served.http.post(
            "/grpc/waiting/unary", json={}, headers={"grpc-timeout": "50m"}
        )
        assert (response.status_code, response.json()["status"]) == (504, "DEADLINE_EXCEEDED")
        await servicer.cancelled.wait()


async def test_a_handler_in_a_thread_ends_with_its_call() -> None:
    ended = threading.Event()

    class Plain(EchoService):
        def ClientStream(self, request_iterator: Any, context: Any) -> Any:
            try:
                return pb.EchoResponse(text=",".join(item.text for item in request_iterator))
            finally:
                ended.set()

    async with serving(gateway_of(Plain)) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(
            b"POST /grpc/plain/clientstream HTTP/1.1\r\nhost: x\r\ngrpc-timeout: 50m\r\n"
            b'content-length: 100\r\n\r\n[{"text":"a"},'
        )
        await asyncio.get_running_loop().run_in_executor(None, ended.wait)
        writer.close()


async def test_what_a_handler_makes_of_its_cancellation_is_504_all_the_same() -> None:
    class Stubborn(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise ValueError("cleaning up failed") from None

    async with serving(gateway_of(Stubborn, default_timeout=0.05)) as served:
        response = await served.http.post("/grpc/stubborn/unary", json={})
        assert response.status_code == 504
        call = served.stub.Unary(pb.EchoRequest())
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_deadline_in_the_middle_of_a_stream_is_its_last_line() -> None:
    async with serving(gateway_of(Waiting())) as served:
        response = await served.http.post(
            "/grpc/waiting/serverstream", json={}, headers={"grpc-timeout": "100m"}
        )
        first, last = map(json.loads, response.text.splitlines())
        assert first["result"]["text"] == "first"
        assert last["error"]["status"] == "DEADLINE_EXCEEDED"


async def test_the_default_timeout_holds_for_both_protocols() -> None:
    async with serving(gateway_of(Waiting(), default_timeout=0.05)) as served:
        response = await served.http.post("/grpc/waiting/unary", json={})
        assert response.status_code == 504
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await served.stub.Unary(pb.EchoRequest())
        assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert error.value.details() == response.json()["detail"]


@pytest.mark.parametrize("blocking", [True, False])
async def test_an_answer_after_the_default_timeout_is_none_by_either_protocol(
    blocking: bool,
) -> None:
    class Late(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            if blocking:
                while context.time_remaining() > 0:
                    pass
            else:
                with suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
            return pb.EchoResponse()

    async with serving(gateway_of(Late, default_timeout=0.02)) as served:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await served.stub.Unary(pb.EchoRequest())
        assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        response = await served.http.post("/grpc/late/unary", json={})
        assert response.status_code == 504


async def test_an_answer_that_comes_too_late_is_504_even_if_nothing_was_waited_for() -> None:
    async with serving(gateway_of(EchoService)) as served:
        response = await served.http.post(UNARY, json={}, headers={"grpc-timeout": "1n"})
        assert response.status_code == 504


class Passing(grpc.aio.ServerInterceptor):
    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        return await continuation(handler_call_details)


@pytest.mark.parametrize("interceptors", [[], [Passing()]], ids=["layers", "ordinary"])
@pytest.mark.parametrize("rpc", ["unary", "serverstream"])
async def test_a_request_that_is_on_its_way_takes_no_place_among_the_calls(
    rpc: str, interceptors: list[Any]
) -> None:
    servicer = Waiting()
    limited = StandardInterceptor(limit=ConcurrencyLimit(1))
    gateway = gateway_of(servicer, interceptors=[*interceptors, limited])
    heads = [
        b"content-length: 2\r\n\r\n",
        b"content-length: 2\r\n\r\n{",
        b"transfer-encoding: chunked\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
        b"content-length: 2\r\ngrpc-timeout: 1H\r\n\r\n",
    ]
    async with serving(gateway) as served:
        slow = [await asyncio.open_connection("127.0.0.1", served.port) for _ in heads]
        for (_, writer), head in zip(slow, heads, strict=True):
            writer.write(b"POST /grpc/waiting/%b HTTP/1.1\r\nhost: x\r\n%b" % (rpc.encode(), head))
        path = f"/grpc/waiting/{rpc}"
        response = await served.http.post(path, json={}, headers={"grpc-timeout": "20m"})
        assert "DEADLINE_EXCEEDED" in response.text
        # Now one of them is there, and the others are refused as soon as they are.
        _, first = slow[0]
        servicer.entered.clear()
        first.write(b"{}")
        await servicer.entered.wait()
        for (reader, writer), rest in zip(
            slow[1:4], (b"}", b"0\r\n\r\n", b"0\r\n\r\n"), strict=True
        ):
            writer.write(rest)
            assert b" 429 " in await reader.readline()
        for _, writer in slow:
            writer.close()


class Remaining(EchoService):
    """Answers whole seconds until the deadline, or -1."""

    async def Unary(self, request: Any, context: Any) -> Any:
        remaining = context.time_remaining()
        return pb.EchoResponse(index=-1 if remaining is None else round(remaining))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("1H", 3600), ("2M", 120), ("9S", 9), ("9000m", 9), ("9000000u", 9), (None, -1)],
)
async def test_time_remaining_over_http(header: str | None, seconds: int) -> None:
    async with serving(gateway_of(Remaining)) as served:
        headers = {} if header is None else {"grpc-timeout": header}
        response = await served.http.post("/grpc/remaining/unary", json={}, headers=headers)
        assert response.json()["index"] == seconds


async def test_time_remaining_in_a_thread() -> None:
    class Plain(EchoService):
        def Unary(self, request: Any, context: Any) -> Any:
            return pb.EchoResponse(index=round(context.time_remaining()))

    async with serving(gateway_of(Plain, default_timeout=100)) as served:
        assert (await served.stub.Unary(pb.EchoRequest())).index == 100
        response = await served.http.post("/grpc/plain/unary", json={})
        assert response.json()["index"] == 100


async def test_time_remaining_with_a_default_timeout_and_with_the_callers_own() -> None:
    async with serving(gateway_of(Remaining, default_timeout=100)) as served:
        assert (await served.stub.Unary(pb.EchoRequest())).index == 100
        assert (await served.stub.Unary(pb.EchoRequest(), timeout=50)).index == 50
        response = await served.http.post("/grpc/remaining/unary", json={})
        assert response.json()["index"] == 100


@pytest.mark.parametrize("header", ["", "5", "S", "-1S", "1.5S", "123456789S", "5s", "5 S", "1d"])
async def test_a_malformed_timeout_is_400(header: str) -> None:
    async with serving(gateway_of(EchoService)) as served:
        response = await served.http.post(UNARY, json={}, headers={"grpc-timeout": header})
        assert response.status_code == 400
        assert "grpc-timeout" in response.json()["detail"]


async def test_malformed_binary_metadata_is_400() -> None:
    async with serving(gateway_of(EchoService)) as served:
        response = await served.http.post(UNARY, json={}, headers={"x-some-bin": "%"})
        assert response.status_code == 400
        assert "x-some-bin" in response.json()["detail"]


async def test_a_header_that_is_no_metadata_need_not_be_base64() -> None:
    async with serving(gateway_of(EchoService)) as served:
        response = await served.http.post(UNARY, json={}, headers={"accept-any-bin": "?"})
        assert response.status_code == 200


async def test_headers_that_are_no_metadata_are_left_out() -> None:
    class Listing(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            return pb.EchoResponse(text=" ".join(key for key, _ in context.invocation_metadata()))

    async with serving(gateway_of(Listing)) as served:
        response = await served.http.post(
            "/grpc/listing/unary",
            json={},
            headers={"X-Mine": "1", "grpc-timeout": "9S", "te": "trailers", "accept": "*/*"},
        )
        assert sorted(response.json()["text"].split()) == ["user-agent", "x-mine"]


@pytest.mark.parametrize("announced", [True, False])
async def test_a_message_over_the_limit_is_413_before_all_of_it_is_read(announced: bool) -> None:
    async with serving(gateway_of(EchoService, max_message_bytes=1000)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        size = b"content-length: 1000000" if announced else b"transfer-encoding: chunked"
        writer.write(b"POST %b HTTP/1.1\r\nhost: x\r\n%b\r\n\r\n" % (UNARY.encode(), size))
        if not announced:
            writer.write(b"800\r\n%b\r\n" % (b" " * 0x800))
        assert b" 413 " in await reader.readline()
        body = (await reader.readuntil(b"}")).rpartition(b"\r\n")[2]
        assert json.loads(body)["status"] == "RESOURCE_EXHAUSTED"
        writer.close()


async def test_the_limit_holds_for_each_message_of_a_stream() -> None:
    async with serving(gateway_of(EchoService, max_message_bytes=100)) as served:
        path = "/grpc/echoservice/clientstream"
        small = [{"text": "x" * 50}] * 10
        large = [*small, {"text": "x" * 100}]
        assert (await served.http.post(path, json=small)).status_code == 200
        response = await served.http.post(path, json=large)
        assert (response.status_code, response.json()["code"]) == (413, 8)


async def test_the_limit_holds_for_native_calls() -> None:
    async with serving(gateway_of(EchoService, max_message_bytes=100)) as served:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await served.stub.Unary(pb.EchoRequest(text="x" * 200))
        assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    "content_type",
    ["application/x-www-form-urlencoded", "text/plain", "application/x-ndjson", "nonsense"],
)
async def test_another_content_type_is_415_and_says_what_is_accepted(content_type: str) -> None:
    async with serving(gateway_of(EchoService)) as served:
        response = await served.http.post(
            UNARY, content=b"{}", headers={"content-type": content_type}
        )
        assert (response.status_code, response.json()["code"]) == (415, 3)
        assert "application/json" in response.json()["detail"]
        assert "curl --json" in response.json()["detail"]


@pytest.mark.parametrize("rpc", ["unary", "serverstream", "clientstream", "bidi"])
async def test_a_handler_that_reads_nothing_is_refused_all_the_same(rpc: str) -> None:
    called = False

    class Deaf(EchoService):
        async def answer(self, request: Any, context: Any) -> Any:
            nonlocal called
            called = True
            return pb.EchoResponse(text="never read")

        Unary = ServerStream = ClientStream = Bidi = answer

    async with serving(gateway_of(Deaf)) as served:
        response = await served.http.post(
            f"/grpc/deaf/{rpc}", content=b"x", headers={"content-type": "text/plain"}
        )
        assert response.status_code == 415
        assert not called


async def test_a_compressed_body_is_415() -> None:
    async with serving(gateway_of(EchoService)) as served:
        response = await served.http.post(UNARY, content=b"", headers={"content-encoding": "gzip"})
        assert response.status_code == 415


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("{", "line 1"),
        ('{"text": "a"} x', "line 1 column 15"),
        ('{"text": 1}', "text"),
        ('{"txt": "a"}', "txt"),
        ('{"count": 3000000000}', "count"),
        ("[]", ""),
        ("[" * 100_000, ""),
    ],
)
async def test_a_malformed_message_is_400_and_names_the_place(body: str, place: str) -> None:
    async with serving(gateway_of(EchoService)) as served:
        response = await served.http.post(UNARY, content=body)
        assert (response.status_code, response.json()["code"]) == (400, 3)
        assert place in response.json()["detail"]
        assert "\n" not in response.json()["detail"]


async def test_malformed_utf_8_is_400() -> None:
    async with serving(gateway_of(EchoService)) as served:
        response = await served.http.post(UNARY, content=b'{"text": "\xff"}')
        assert response.status_code == 400


async def test_an_empty_body_is_the_empty_message() -> None:
    async with serving(gateway_of(EchoService)) as served:
        response = await served.http.post(UNARY)
        assert response.json() == {"text": "", "index": 0}


async def test_a_malformed_query_is_400() -> None:
    async with serving(gateway_of(EchoService)) as served:
        response = await served.http.get(f"{UNARY}?count=many")
        assert response.status_code == 400
        assert "count" in response.json()["detail"]


async def test_the_three_options_of_json_format() -> None:
    gateway = gateway_of(
        EchoService,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=False,
        ignore_unknown_fields=True,
    )
    async with serving(gateway) as served:
        response = await served.http.post(UNARY, json={"text": "a", "unknown": 1})
        assert response.json() == {"text": "a"}

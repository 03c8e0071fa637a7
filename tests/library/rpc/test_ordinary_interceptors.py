"""`grpc.aio` server interceptors, our own and unmodified third-party ones, on both protocols."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from grpc_interceptor.server import AsyncServerInterceptor
from opentelemetry.instrumentation.grpc import aio_server_interceptor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from polyrpc.interceptors import tracing
from polyrpc.rpc.handlers import RpcFunction
from polyrpc.rpc.interception import MethodInterceptor
from polyrpc.rpc.method_info import method_info
from protocol_clients import Outcome, connect, grpc_over_http, grpc_web, native
from serving import EchoService, Served, gateway_of, http_server, serving
from testing.v1 import testing_pb2 as pb

Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]


async def call_both(served: Served) -> None:
    await served.stub.Unary(pb.EchoRequest(text="x"), metadata=[("x-who", "me")])
    response = await served.http.post(
        "/grpc/echoservice/unary", json={"text": "x"}, headers={"x-who": "me"}
    )
    assert response.status_code == 200


class Recording(grpc.aio.ServerInterceptor):
    def __init__(self, name: str, calls: list[str]) -> None:
        self.name, self.calls = name, calls

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        metadata: Any = handler_call_details.invocation_metadata
        self.calls.append(f"{self.name} {handler_call_details.method} {dict(metadata)['x-who']}")
        return await continuation(handler_call_details)


async def test_each_runs_once_per_call_in_order() -> None:
    calls: list[str] = []
    interceptors = [Recording("first", calls), Recording("second", calls)]
    async with serving(gateway_of(EchoService, interceptors=interceptors)) as served:
        await call_both(served)
    assert calls == ["first /testing.v1.Echo/Unary me", "second /testing.v1.Echo/Unary me"] * 2


class Rejecting(grpc.aio.ServerInterceptor):
    """Replaces every handler, of whatever kind, with one that aborts."""

    async def intercept_service(self, continuation: Continuation, details: Any) -> Any:
        async def reject(_request: Any, context: Any) -> Any:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")

        run: Any = reject
        return grpc.unary_unary_rpc_method_handler(run)


@pytest.mark.parametrize("rpc", ["unary", "serverstream", "clientstream", "bidi"])
async def test_one_may_reject_every_kind_of_call(rpc: str) -> None:
    async with serving(gateway_of(EchoService, interceptors=[Rejecting()])) as served:
        response = await served.http.post(f"/grpc/echoservice/{rpc}", content=b"not even JSON")
        assert (response.status_code, response.json()["detail"]) == (401, "who are you?")


@pytest.mark.parametrize(
    "headers", [{"content-type": "text/plain"}, {"accept": "image/png"}], ids=["415", "406"]
)
async def test_one_may_reject_a_call_before_its_headers_are_refused(headers: Any) -> None:
    async with serving(gateway_of(EchoService, interceptors=[Rejecting()])) as served:
        response = await served.http.post("/grpc/echoservice/bidi", content=b"{}", headers=headers)
        assert response.status_code == 401


@pytest.mark.parametrize("rpc", ["Unary", "ServerStream", "ClientStream", "Bidi"])
async def test_one_may_reject_native_calls_of_every_kind(rpc: str) -> None:
    async with serving(gateway_of(EchoService, interceptors=[Rejecting()])) as served:
        outcome = await native(served, rpc, [""])
        expected = (grpc.StatusCode.UNAUTHENTICATED, "who are you?")
        assert (outcome.code, outcome.details) == expected


class Replacing(grpc.aio.ServerInterceptor):
    """Answers all RPCs by itself, as one of another kind.

    Args:
        make: Makes the handler.
        messages: How many messages it writes where it answers a stream.
    """

    def __init__(self, make: Any, messages: int = 1) -> None:
        self.make, self.messages = make, messages

    async def intercept_service(self, continuation: Continuation, details: Any) -> Any:
        async def answer(request: Any, _context: Any) -> Any:
            return pb.EchoResponse(text=await self._text(request))

        async def write(request: Any, context: Any) -> None:
            text = await self._text(request)
            for _ in range(self.messages):
                await context.write(pb.EchoResponse(text=text))

        streams = self.make in (
            grpc.unary_stream_rpc_method_handler,
            grpc.stream_stream_rpc_method_handler,
        )
        return self.make(
            write if streams else answer,
            pb.EchoRequest.FromString,
            pb.EchoResponse.SerializeToString,
        )

    async def _text(self, request: Any) -> str:
        if isinstance(request, pb.EchoRequest):
            return str(request.text)
        return ",".join([message.text async for message in request])


@pytest.mark.parametrize(
    "make",
    [
        grpc.unary_unary_rpc_method_handler,
        grpc.unary_stream_rpc_method_handler,
        grpc.stream_unary_rpc_method_handler,
        grpc.stream_stream_rpc_method_handler,
    ],
)
@pytest.mark.parametrize("rpc", ["Unary", "ServerStream", "ClientStream", "Bidi"])
async def test_one_may_put_a_handler_of_any_kind_in_place_of_every_other(
    rpc: str, make: Any
) -> None:
    async with serving(gateway_of(EchoService, interceptors=[Replacing(make)])) as served:
        outcome = await native(served, rpc, ["x"])
        assert (outcome.code, outcome.texts) == (grpc.StatusCode.OK, ["x"])


@pytest.mark.parametrize("by", [grpc_over_http, grpc_web, connect])
@pytest.mark.parametrize(
    "make", [grpc.unary_unary_rpc_method_handler, grpc.stream_unary_rpc_method_handler]
)
@pytest.mark.parametrize("rpc", ["ServerStream", "Bidi"])
async def test_one_may_answer_a_stream_with_a_message_over_http(
    rpc: str, make: Any, by: Callable[..., Awaitable[Outcome]]
) -> None:
    async with serving(gateway_of(EchoService, interceptors=[Replacing(make)])) as served:
        outcome = await by(served, rpc, ["x"])
        assert (outcome.code, outcome.texts) == (grpc.StatusCode.OK, ["x"])
        response = await served.http.post(f"/grpc/echoservice/{rpc.lower()}", json={"text": "x"})
        assert response.json()["result"]["text"] == "x"


async def test_one_that_answers_a_unary_call_with_no_message_fails_it() -> None:
    silent = Replacing(grpc.stream_stream_rpc_method_handler, messages=0)
    async with serving(gateway_of(EchoService, interceptors=[silent])) as served:
        call = served.stub.Unary(pb.EchoRequest())
        assert await call.code() is grpc.StatusCode.UNKNOWN
        assert await call.details() == "The call ended without a message"
        response = await served.http.post("/grpc/echoservice/unary", json={})
        assert response.json()["detail"] == "The call ended without a message"


async def test_one_may_answer_an_rpc_that_there_is_not() -> None:
    answering = Replacing(grpc.unary_unary_rpc_method_handler)
    async with serving(gateway_of(EchoService, interceptors=[answering])) as served:
        call = served.channel.unary_unary("/no.such.Service/Rpc")
        answer = await call(pb.EchoRequest(text="x").SerializeToString())
        assert pb.EchoResponse.FromString(answer).text == "x"
        async with (
            http_server(served.app, http="zttp", http2=True) as port,
            grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        ):
            call = channel.unary_unary("/no.such.Service/Rpc")
            answer = await call(pb.EchoRequest(text="x").SerializeToString())
            assert pb.EchoResponse.FromString(answer).text == "x"


class Failing(grpc.aio.ServerInterceptor):
    async def intercept_service(self, continuation: Continuation, details: Any) -> Any:
        raise KeyError("secret")


@pytest.mark.parametrize("rpc", ["Unary", "Bidi"])
async def test_one_that_raises_tells_the_caller_nothing(rpc: str) -> None:
    async with serving(gateway_of(EchoService, interceptors=[Failing()])) as served:
        response = await served.http.post(f"/grpc/echoservice/{rpc.lower()}", content=b"{}")
        assert (response.status_code, response.json()["detail"]) == (500, "Unexpected error")
        call = served.stub.Bidi() if rpc == "Bidi" else served.stub.Unary(pb.EchoRequest())
        assert await call.code() is grpc.StatusCode.UNKNOWN
        assert await call.details() == "Unexpected error"


class Hiding(grpc.aio.ServerInterceptor):
    async def intercept_service(self, continuation: Continuation, details: Any) -> Any:
        return None


async def test_one_may_hide_a_method() -> None:
    async with serving(gateway_of(EchoService, interceptors=[Hiding()])) as served:
        response = await served.http.post("/grpc/echoservice/unary", json={})
        assert (response.status_code, response.json()["detail"]) == (501, "Method not found!")
        call = served.stub.Unary(pb.EchoRequest())
        assert await call.code() is grpc.StatusCode.UNIMPLEMENTED


class Shouting(grpc.aio.ServerInterceptor):
    """Wraps a stream: changes each message on its way out."""

    async def intercept_service(self, continuation: Continuation, details: Any) -> Any:
        handler = await continuation(details)
        if not handler.response_streaming:
            return handler

        async def shout(request: Any, context: Any) -> Any:
            async for response in handler.unary_stream(request, context):
                yield pb.EchoResponse(text=response.text.upper())

        run: Any = shout
        return grpc.unary_stream_rpc_method_handler(
            run, handler.request_deserializer, handler.response_serializer
        )


async def test_one_may_wrap_a_stream() -> None:
    async with serving(gateway_of(EchoService, interceptors=[Shouting()])) as served:
        request = {"text": "psst", "count": 1}
        response = await served.http.post(
            "/grpc/echoservice/serverstream",
            json=request,
            headers={"accept": "application/json"},
        )
        assert response.json()[0]["text"] == "PSST"
        native = served.stub.ServerStream(pb.EchoRequest(text="psst", count=1))
        assert [message.text async for message in native] == ["PSST"]


async def test_grpc_interceptor_runs_unchanged() -> None:
    methods: list[str] = []

    class Counting(AsyncServerInterceptor):
        async def intercept(
            self, method: Any, request_or_iterator: Any, context: Any, method_name: str
        ) -> Any:
            methods.append(method_name)
            response = method(request_or_iterator, context)
            return await response if hasattr(response, "__await__") else response

    async with serving(gateway_of(EchoService, interceptors=[Counting()])) as served:
        await call_both(served)
        stream = await served.http.post("/grpc/echoservice/bidi", json=[{"text": "a"}])
        assert "a" in stream.text
    assert methods == ["/testing.v1.Echo/Unary"] * 2 + ["/testing.v1.Echo/Bidi"]


async def test_the_interceptor_of_opentelemetry_runs_unchanged() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    interceptor = aio_server_interceptor(tracer_provider=provider)
    async with serving(gateway_of(EchoService, interceptors=[interceptor])) as served:
        parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        await served.stub.Unary(pb.EchoRequest(), metadata=[("traceparent", parent)])
        await served.http.post("/grpc/echoservice/unary", json={}, headers={"traceparent": parent})
    spans = exporter.get_finished_spans()
    assert [span.name for span in spans] == ["/testing.v1.Echo/Unary"] * 2
    assert {f"{span.context.trace_id:032x}" for span in spans} == {parent.split("-")[1]}


class Tracing(MethodInterceptor):
    """Puts calls into spans as the service's own layer does."""

    def __init__(self, tracer: Any) -> None:
        self.traced = tracing._traced(tracer)

    def wrap(self, rpc: str, protocol: Any, run: RpcFunction) -> RpcFunction:
        return self.traced(method_info(rpc, protocol), run)


async def test_a_trace_state_in_several_headers_is_one() -> None:
    provider = TracerProvider()
    spans = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    headers = [
        ("traceparent", f"00-{trace_id}-b7ad6b7169203331-01"),
        ("tracestate", "first=1,second=2"),
        ("tracestate", "third=3"),
    ]
    layer = Tracing(provider.get_tracer("test"))
    async with serving(gateway_of(EchoService, interceptors=[layer])) as served:
        await served.stub.Unary(pb.EchoRequest(), metadata=headers)
        await served.http.post("/grpc/echoservice/unary", headers=headers)
    for span in spans.get_finished_spans():
        assert format(span.context.trace_id, "032x") == trace_id
        assert dict(span.context.trace_state) == {"first": "1", "second": "2", "third": "3"}
    assert len(spans.get_finished_spans()) == 2


async def test_repeated_headers_are_all_there() -> None:
    seen: list[list[Any]] = []

    class Listing(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            seen.append([value for key, value in context.invocation_metadata() if key == "x-two"])
            return pb.EchoResponse()

    headers = [("x-two", "a"), ("x-two", "b,c")]
    async with serving(gateway_of(Listing)) as served:
        await served.stub.Unary(pb.EchoRequest(), metadata=headers)
        await served.http.post("/grpc/listing/unary", headers=headers)
    assert seen == [["a", "b,c"]] * 2

"""Every native call ends with a status, whatever its handler or its caller makes of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
from polyrpc.rpc.handlers import RpcFunction
from polyrpc.rpc.interception import MethodInterceptor
from polyrpc.rpc.method_info import Protocol
from protocol_clients import LOST, PAUSES_SECONDS
from serving import EchoService, Served, gateway_of, serving
from testing.v1 import testing_pb2 as pb

UNDECODABLE = b"\n\x01\xff"
"""A text of one byte, which is not UTF-8."""

KINDS = ("Unary", "ServerStream", "ClientStream", "Bidi")
PATIENCE = 5
"""Seconds after which a call that is never answered fails its test."""


class Ordinary(grpc.aio.ServerInterceptor):
    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        return await continuation(details)


class Transparent(MethodInterceptor):
    def wrap(self, rpc: str, protocol: Protocol, run: RpcFunction) -> RpcFunction:
        async def hand_on(request: Any, context: Any) -> Any:
            return await run(request, context)

        return hand_on


@pytest.fixture(
    params=[
        {},
        {"interceptors": [Transparent()]},
        {"interceptors": [Ordinary()]},
        {"interceptors": [Ordinary(), Transparent()]},
        {"default_timeout": 60.0},
    ],
    ids=["alone", "layer", "ordinary", "both", "timed"],
)
def options(request: pytest.FixtureRequest) -> Any:
    """What is between `grpc.aio` and the servicer."""
    return request.param


class ReadingServicer(EchoService):
    """As `EchoService`, with `context.read()` and `context.write()`."""

    async def ClientStream(self, request_iterator: Any, context: Any) -> Any:
        texts = []
        while (request := await context.read()) is not grpc.aio.EOF:
            texts.append(request.text)
        return pb.EchoResponse(text=",".join(texts))

    async def Bidi(self, request_iterator: Any, context: Any) -> None:
        while (request := await context.read()) is not grpc.aio.EOF:
            await context.write(pb.EchoResponse(text=request.text))


class PlainServicer(EchoService):
    """As `EchoService`, in threads."""

    def Unary(self, request: Any, context: Any) -> Any:
        return pb.EchoResponse(text=request.text)

    def ServerStream(self, request: Any, context: Any) -> Iterator[Any]:
        yield pb.EchoResponse(text=request.text)

    def ClientStream(self, request_iterator: Any, context: Any) -> Any:
        return pb.EchoResponse(text=",".join(request.text for request in request_iterator))

    def Bidi(self, request_iterator: Any, context: Any) -> Iterator[Any]:
        for request in request_iterator:
            yield pb.EchoResponse(text=request.text)


async def end_of(served: Served, rpc: str, *messages: bytes) -> tuple[grpc.StatusCode, str]:
    """Calls with messages as bytes; returns how the call has ended."""
    for pause in PAUSES_SECONDS:
        code, details = await called(served, rpc, messages, pause)
        # What clients of `grpc.aio` make of an answer in the middle of their sending.
        if LOST not in details:
            break
    return code, details


async def called(
    served: Served, rpc: str, messages: tuple[bytes, ...], pause: float
) -> tuple[grpc.StatusCode, str]:
    path = f"/testing.v1.Echo/{rpc}"
    call: Any
    if rpc == "Unary":
        call = served.channel.unary_unary(path)(messages[0], timeout=PATIENCE)
    elif rpc == "ServerStream":
        call = served.channel.unary_stream(path)(messages[0], timeout=PATIENCE)
    else:
        kind = "stream_unary" if rpc == "ClientStream" else "stream_stream"
        call = getattr(served.channel, kind)(path)(timeout=PATIENCE)
    try:
        if rpc in ("ClientStream", "Bidi"):
            await asyncio.sleep(pause)
            for message in messages:
                await call.write(message)
                if rpc == "Bidi" and message is not messages[-1]:
                    await call.read()  # All that came before is answered, so that it is later.
            await call.done_writing()
        if rpc in ("ServerStream", "Bidi"):
            while await call.read() is not grpc.aio.EOF:
                pass
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        pass  # It has ended.
    return await call.code(), await call.details()


async def all_of(context: Any) -> None:
    """Reads all requests, so that the answer does not come in the middle of their sending."""
    while await context.read() is not grpc.aio.EOF:
        pass


def tracebacks(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("rpc", KINDS)
@pytest.mark.parametrize("servicer", [EchoService, ReadingServicer, PlainServicer])
async def test_an_undecodable_request_is_its_callers_mistake(
    servicer: type[EchoService], rpc: str, options: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(gateway_of(servicer, **options)) as served:
        code, details = await end_of(served, rpc, UNDECODABLE)
    assert (code, details) == (
        grpc.StatusCode.INTERNAL,
        "The request is no message of its type",
    )
    assert not tracebacks(caplog)


@pytest.mark.parametrize("rpc", ["ClientStream", "Bidi"])
@pytest.mark.parametrize("servicer", [EchoService, ReadingServicer, PlainServicer])
async def test_so_is_a_later_message_of_a_stream(
    servicer: type[EchoService], rpc: str, options: Any, caplog: pytest.LogCaptureFixture
) -> None:
    good = pb.EchoRequest(text="good").SerializeToString()
    async with serving(gateway_of(servicer, **options)) as served:
        code, _ = await end_of(served, rpc, good, UNDECODABLE)
    assert code is grpc.StatusCode.INTERNAL
    assert not tracebacks(caplog)


async def test_a_deserializer_of_ones_own_may_refuse_its_messages_too(
    options: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Text(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> Any:
            async def echo(request: Any, _context: Any) -> Any:
                texts = [text async for text in request] if request is not str(request) else request
                return "".join(texts)

            kinds: Any = {
                "/text.Echo/Unary": grpc.unary_unary_rpc_method_handler,
                "/text.Echo/ClientStream": grpc.stream_unary_rpc_method_handler,
            }
            make = kinds.get(handler_call_details.method)
            return make and make(echo, bytes.decode, str.encode)

    class WithText(EchoService):
        @classmethod
        def __add_to_server__(cls, instance: Any, server: Any) -> None:
            super().__add_to_server__(instance, server)
            server.add_generic_rpc_handlers((Text(),))

    async with serving(gateway_of(WithText, **options)) as served:
        unary = served.channel.unary_unary("/text.Echo/Unary")
        assert await unary(b"text") == b"text"
        assert await unary(b"\xff", timeout=PATIENCE).code() is grpc.StatusCode.INTERNAL
        stream = served.channel.stream_unary("/text.Echo/ClientStream")
        assert await stream(iter([b"te", b"xt"])) == b"text"
        assert await stream(iter([b"\xff"]), timeout=PATIENCE).code() is grpc.StatusCode.INTERNAL
    assert not tracebacks(caplog)


@pytest.mark.parametrize("rpc", KINDS)
async def test_a_response_of_another_type_is_the_services_mistake(
    rpc: str, options: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Wrong(EchoService):
        async def wrong(self, request: Any, context: Any) -> Any:
            await all_of(context)
            return "no message"

        async def wrong_ones(self, request: Any, context: Any) -> AsyncIterator[Any]:
            await all_of(context)
            yield "no message"

        Unary = ClientStream = wrong
        ServerStream = Bidi = wrong_ones

    async with serving(gateway_of(Wrong, **options)) as served:
        ended = await end_of(served, rpc, b"")
    assert ended == (grpc.StatusCode.UNKNOWN, "Unexpected error")
    assert caplog.records[-1].exc_info


@pytest.mark.parametrize("rpc", KINDS)
async def test_an_rpc_left_to_the_base_class_is_not_implemented(
    rpc: str, options: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Empty(EchoService):
        Unary = EchoService.__base__.Unary
        ServerStream = EchoService.__base__.ServerStream
        ClientStream = EchoService.__base__.ClientStream
        Bidi = EchoService.__base__.Bidi

    async with serving(gateway_of(Empty, **options)) as served:
        ended = await end_of(served, rpc, b"")
        response = await served.http.post(f"/grpc/empty/{rpc.lower()}", json={})
    assert ended == (grpc.StatusCode.UNIMPLEMENTED, "Method not implemented!")
    assert (response.status_code, response.json()["detail"]) == (501, ended[1])
    assert not tracebacks(caplog)


async def test_an_error_of_the_service_that_means_the_same_is_told_apart(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Unfinished(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            raise NotImplementedError("secret")

    async with serving(gateway_of(Unfinished)) as served:
        ended = await end_of(served, "Unary", b"")
    assert ended == (grpc.StatusCode.UNKNOWN, "Unexpected error")
    assert "NotImplementedError: secret" in caplog.text


def cancel_oneself() -> None:
    task: Any = asyncio.current_task()
    task.cancel()


ENDS: dict[str, tuple[BaseException, grpc.StatusCode, str]] = {
    "a cancellation of another task": (
        asyncio.CancelledError(),
        grpc.StatusCode.CANCELLED,
        "Cancelled",
    ),
    **{
        type(error).__name__: (error, grpc.StatusCode.UNKNOWN, "Unexpected error")
        for error in (
            GeneratorExit(),
            SystemExit(1),
            StopIteration(),
            StopAsyncIteration(),
            BaseException("secret"),
            BaseExceptionGroup("secret", [KeyError("secret")]),
            grpc.aio.AbortError("secret"),
            grpc.aio.UsageError("secret"),
        )
    },
}


@pytest.mark.parametrize("rpc", KINDS)
@pytest.mark.parametrize("plain", [False, True], ids=["async", "plain"])
async def test_whatever_is_raised_the_caller_gets_a_status(
    rpc: str, plain: bool, options: Any
) -> None:
    class Raising(EchoService):
        error: BaseException

        async def fail(self, request: Any, context: Any) -> Any:
            await all_of(context)
            raise self.error

        async def fail_later(self, request: Any, context: Any) -> Any:
            await all_of(context)
            await context.write(pb.EchoResponse(text="first"))
            raise self.error

        def fail_in_thread(self, request: Any, context: Any) -> Any:
            list(request if rpc == "ClientStream" else ())
            raise self.error

        def fail_later_in_thread(self, request: Any, context: Any) -> Any:
            list(request if rpc == "Bidi" else ())
            context.write(pb.EchoResponse(text="first"))
            raise self.error

        Unary = ClientStream = fail_in_thread if plain else fail
        ServerStream = Bidi = fail_later_in_thread if plain else fail_later

    servicer = Raising()
    async with serving(gateway_of(servicer, **options)) as served:
        ends = {}
        for name, (error, _, _) in ENDS.items():
            servicer.error = error
            ends[name] = await end_of(served, rpc, b"")
    assert ends == {name: (code, details) for name, (_, code, details) in ENDS.items()}


@pytest.mark.parametrize("rpc", KINDS)
async def test_a_handler_that_cancels_its_own_task_is_answered(rpc: str, options: Any) -> None:
    class Cancelling(EchoService):
        async def fail(self, request: Any, context: Any) -> Any:
            await all_of(context)
            cancel_oneself()
            await asyncio.Event().wait()

        async def fail_later(self, request: Any, context: Any) -> Any:
            await context.write(pb.EchoResponse(text="first"))
            await self.fail(request, context)

        Unary = ClientStream = fail
        ServerStream = Bidi = fail_later

    async with serving(gateway_of(Cancelling, **options)) as served:
        code, _ = await end_of(served, rpc, b"")
    assert code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("code", [grpc.StatusCode.OK, 0])
@pytest.mark.parametrize("plain", [False, True], ids=["async", "plain"])
@pytest.mark.parametrize("rpc", KINDS)
async def test_an_abort_with_ok_is_no_failure_but_takes_a_message(
    rpc: str, plain: bool, code: Any, options: Any
) -> None:
    class Aborting(EchoService):
        async def abort(self, request: Any, context: Any) -> Any:
            await all_of(context)
            await context.abort(code, "fine", (("x-why", "it is"),))

        def abort_in_thread(self, request: Any, context: Any) -> Any:
            list(request if rpc in ("ClientStream", "Bidi") else ())
            context.abort(code, "fine", (("x-why", "it is"),))

        Unary = ClientStream = ServerStream = Bidi = abort_in_thread if plain else abort

    async with serving(gateway_of(Aborting, **options)) as served:
        code, details = await end_of(served, rpc, b"")
    if rpc in ("Unary", "ClientStream"):
        assert (code, details) == (grpc.StatusCode.UNKNOWN, "The call ended without a message")
    else:
        assert code is grpc.StatusCode.OK


@pytest.mark.parametrize("rpc", KINDS)
async def test_callbacks_know_that_the_caller_has_gone(rpc: str, options: Any) -> None:
    entered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    ended: asyncio.Future[tuple[bool, bool]] = asyncio.get_running_loop().create_future()

    class Waiting(EchoService):
        async def wait(self, request: Any, context: Any) -> Any:
            context.add_done_callback(lambda _: 1 / 0)
            context.add_done_callback(
                lambda context: ended.set_result((context.cancelled(), context.done()))
            )
            entered.set_result(None)
            await asyncio.Event().wait()

        Unary = ClientStream = ServerStream = Bidi = wait

    async with serving(gateway_of(Waiting, **options)) as served:
        requests = [pb.EchoRequest()] if rpc in ("Unary", "ServerStream") else []
        call = getattr(served.stub, rpc)(*requests)
        await entered
        call.cancel()
        assert await ended == (True, True)


async def test_a_caller_that_goes_away_is_no_news(
    options: Any, caplog: pytest.LogCaptureFixture
) -> None:
    ended = asyncio.Semaphore(0)

    class Streaming(EchoService):
        async def ServerStream(self, request: Any, context: Any) -> AsyncIterator[Any]:
            context.add_done_callback(lambda _: ended.release())
            while True:
                yield pb.EchoResponse(text="on and on")

    async with serving(gateway_of(Streaming, **options)) as served:
        for _ in range(50):
            call = served.stub.ServerStream(pb.EchoRequest())
            await call.read()
            call.cancel()
            await ended.acquire()
    assert not tracebacks(caplog)

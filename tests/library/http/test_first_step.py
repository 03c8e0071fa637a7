"""A call is begun with one step of its coroutine, and only supervised if it then waits."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import pytest
from polyrpc.calls.response import answer_all
from polyrpc.rpc.handlers import RpcFunction
from polyrpc.rpc.interception import MethodInterceptor
from polyrpc.rpc.method_info import Protocol
from polyrpc.rpc.status import CallError
from serving import EchoService, gateway_of
from test_hot_path import application, http_call, scope_of
from testing.v1 import testing_pb2 as pb

variable: ContextVar[str] = ContextVar("variable", default="unset")


class Exchange:
    """A request whose events come when the test says so, and what is sent in answer."""

    def __init__(self, **options: Any) -> None:
        self.events: asyncio.Queue[Any] = asyncio.Queue()
        self.sent: list[Any] = []
        self.options = options

    def receives(self, body: bytes, *, more_body: bool = False) -> None:
        self.events.put_nowait({"type": "http.request", "body": body, "more_body": more_body})

    def loses_its_client(self) -> None:
        self.events.put_nowait({"type": "http.disconnect"})

    def begin(self, unary: Callable[[Any, Any], Awaitable[Any]]) -> asyncio.Task[Any]:
        class EchoService2(EchoService):
            async def Unary(self, request: Any, context: Any) -> Any:
                return await unary(request, context)

        EchoService2.__name__ = EchoService.__name__
        gateway = gateway_of(EchoService2, **self.options)
        (endpoint,) = (each for each in gateway._endpoints if each.rpc.descriptor.name == "Unary")
        answer: Any = gateway._handler(endpoint).answers["POST"]
        return asyncio.create_task(answer_all(answer, scope_of(15), self.events.get, self._send))

    async def _send(self, event: Any) -> None:
        self.sent.append(event)

    @property
    def answer(self) -> tuple[int, bytes]:
        start, body = self.sent
        return start["status"], body["body"]


async def echo(request: Any, _context: Any) -> Any:
    return pb.EchoResponse(text=request.text)


OK = (200, b'{"text":"World","index":0}')


async def test_a_body_may_come_in_pieces_and_late() -> None:
    exchange = Exchange()
    call = exchange.begin(echo)
    for piece in (b'{"text"', b':"Wor', b'ld"}'):
        await asyncio.sleep(0)
        exchange.receives(piece, more_body=True)
    await asyncio.sleep(0)
    exchange.receives(b"")
    await call
    assert exchange.answer == OK


@pytest.mark.parametrize("is_late", [False, True], ids=["at-once", "late"])
async def test_events_may_lack_what_asgi_lets_them_lack(is_late: bool) -> None:
    exchange = Exchange()
    if not is_late:
        exchange.events.put_nowait({"type": "http.request"})
    call = exchange.begin(echo)
    await asyncio.sleep(0)
    if is_late:
        exchange.events.put_nowait({"type": "http.request", "more_body": True})
        exchange.events.put_nowait({"type": "http.request", "body": b'{"text":"World"}'})
    await call
    assert exchange.answer == (OK if is_late else (200, b'{"text":"","index":0}'))


async def test_what_waits_goes_on_where_it_was() -> None:
    async def unary(request: Any, context: Any) -> Any:
        task = asyncio.current_task()
        variable.set("mine")
        for _ in range(3):
            await asyncio.sleep(0)
        assert await asyncio.to_thread(variable.get) == "mine"
        assert (asyncio.current_task(), variable.get()) == (task, "mine")
        return await echo(request, context)

    exchange = Exchange()
    exchange.receives(b'{"text":"World"}')
    await exchange.begin(unary)
    assert exchange.answer == OK


async def test_a_handler_may_have_timeouts_and_task_groups_of_its_own() -> None:
    async def unary(request: Any, context: Any) -> Any:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        with pytest.raises(ExceptionGroup):
            await fail_in_a_group()
        return await echo(request, context)

    async def fail_in_a_group() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            await asyncio.Event().wait()

    async def fail() -> None:
        raise KeyError

    exchange = Exchange(default_timeout=60)
    exchange.receives(b'{"text":"World"}')
    await exchange.begin(unary)
    assert exchange.answer == OK


@pytest.mark.parametrize("waits", [0, 1], ids=["at-once", "after-a-wait"])
async def test_an_exception_is_one_whenever_it_comes(waits: int) -> None:
    async def unary(_request: Any, _context: Any) -> Any:
        for _ in range(waits):
            await asyncio.sleep(0)
        raise KeyError

    exchange = Exchange()
    exchange.receives(b"{}")
    await exchange.begin(unary)
    assert exchange.answer[0] == 500


@pytest.mark.parametrize("when", ["in the body", "in the handler"])
async def test_a_call_ends_without_an_answer_when_its_client_goes(when: str) -> None:
    entered, ended = asyncio.Event(), []

    async def unary(_request: Any, context: Any) -> Any:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            context.add_done_callback(lambda context: ended.append(context.code()))
            ended.append(context.cancelled())

    exchange = Exchange()
    call = exchange.begin(unary)
    exchange.receives(b"{}", more_body=when == "in the body")
    if when == "in the handler":
        await entered.wait()
    exchange.loses_its_client()
    await call
    assert exchange.sent == []
    assert ended == ([True, None] if when == "in the handler" else [])
    assert not call.cancelling()


@pytest.mark.parametrize("content_type", [b"application/json", b"application/grpc-web"])
async def test_who_has_gone_is_sent_nothing_whatever_the_servicer_makes_of_it(
    content_type: bytes,
) -> None:
    class Forgiving(EchoService):
        async def ClientStream(self, request_iterator: Any, context: Any) -> Any:
            with pytest.raises(CallError):
                await anext(request_iterator)
            return pb.EchoResponse()

    Forgiving.__name__ = EchoService.__name__
    by_json = content_type == b"application/json"
    path = "/grpc/echoservice/clientstream" if by_json else "/testing.v1.Echo/ClientStream"
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(event: Any) -> None:
        sent.append(event)

    scope = scope_of(0) | {"path": path, "raw_path": path.encode()}
    headers = [header for header in scope["headers"] if header[0] != b"content-type"]
    scope["headers"] = [*headers, (b"content-type", content_type)]
    await application(Forgiving)(scope, receive, send)
    assert sent == []


async def test_a_stopping_server_ends_a_call_that_waits() -> None:
    entered = asyncio.Event()

    async def unary(_request: Any, _context: Any) -> Any:
        entered.set()
        await asyncio.Event().wait()

    exchange = Exchange()
    exchange.receives(b"{}")
    call = exchange.begin(unary)
    await entered.wait()
    call.cancel()
    await call
    assert exchange.answer[0] == 503


async def test_done_callbacks_run_once_all_has_been_sent() -> None:
    exchange = Exchange()
    sent = []

    async def unary(request: Any, context: Any) -> Any:
        context.add_done_callback(lambda _context: sent.append(len(exchange.sent)))
        return await echo(request, context)

    exchange.receives(b'{"text":"World"}')
    await exchange.begin(unary)
    assert (exchange.answer, sent) == (OK, [2])


async def test_a_response_that_cannot_be_sent_is_still_the_end_of_its_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    contexts = []

    async def unary(request: Any, context: Any) -> Any:
        contexts.append(context)
        return await echo(request, context)

    async def broken(_event: Any) -> None:
        raise ConnectionResetError

    exchange = Exchange()
    exchange.receives(b'{"text":"World"}')
    monkeypatch.setattr(exchange, "_send", broken)
    with pytest.raises(ConnectionResetError):
        await exchange.begin(unary)
    assert contexts[0].done()


async def test_a_layer_may_be_any_callable() -> None:
    class Counting(MethodInterceptor):
        calls = 0

        def wrap(self, rpc: str, protocol: Protocol, run: RpcFunction) -> RpcFunction:
            def counted(request: Any, context: Any) -> Awaitable[Any]:
                self.calls += 1
                return asyncio.ensure_future(run(request, context))

            return counted

    layer = Counting()
    exchange = Exchange(interceptors=[layer])
    exchange.receives(b'{"text":"World"}')
    await exchange.begin(echo)
    assert (exchange.answer, layer.calls) == (OK, 1)


async def test_a_call_leaves_nothing_to_the_garbage_collector() -> None:
    call = http_call(application(EchoService))
    await call()
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            await call()
        assert gc.collect() == 0
    finally:
        gc.enable()

"""What `javascript/cases.js` asks of clients, asked of those in Python."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from greeter_service.v1 import greeter_pb2 as pb

METHODS = {
    "SayHello": (pb.SayHelloRequest, pb.SayHelloResponse),
    "WatchGreetings": (pb.WatchGreetingsRequest, pb.WatchGreetingsResponse),
    "CollectNames": (pb.CollectNamesRequest, pb.CollectNamesResponse),
    "Chat": (pb.ChatRequest, pb.ChatResponse),
    "Unimplemented": (pb.SayHelloRequest, pb.SayHelloResponse),
}


@dataclass
class Answer:
    """What came of a call that was not cancelled.

    Attributes:
        messages: The texts of the responses.
        header: Initial metadata.
        trailer: Trailing metadata.
        error: Code, message and details, where it failed.
    """

    messages: list[str] = field(default_factory=list)
    header: Mapping[str, str] = field(default_factory=dict)
    trailer: Mapping[str, str] = field(default_factory=dict)
    error: Any = None
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, text: str) -> None:
        """Adds a response that has come."""
        self.messages.append(text)
        self._more.set()

    async def reach(self, count: int) -> None:
        """Waits until so many responses have come."""
        while len(self.messages) < count:
            self._more.clear()
            await self._more.wait()


Call = Callable[..., Awaitable[Answer]]


async def judge(call: Call, *, full_duplex: bool) -> dict[str, Any]:
    """Runs the cases; `call(method, requests, header=…, timeout=…, answer=…)` is one RPC.

    `answer`, where it is given, is filled while the responses come.
    """

    async def said(method: str, *requests: Mapping[str, Any], **options: Any) -> Any:
        answer = await call(method, _stream(method, requests), **options)
        return answer.messages if answer.error is None else answer.error

    seen: dict[str, Any] = {
        "unary": await said("SayHello", {"name": "World"}),
        "unicode": await said("SayHello", {"name": "Zoë 🌍"}),
        "empty": await said("SayHello", {}),
        "large": len((await said("SayHello", {"name": "x" * 3_000_000}))[0]),
        "many": await _many(said),
        "metadata": await _metadata(call),
        "error": await said("SayHello", {"name": "error"}),
        "details": await said("SayHello", {"name": "details"}),
        "unexpected": await said("SayHello", {"name": "unexpected"}),
        "tooLarge": (await said("SayHello", {"name": "x" * 5_000_000}))["code"],
        "unimplemented": (await said("Unimplemented", {}))["code"],
        "deadline": (await said("SayHello", {"name": "slow"}, timeout=0.3))["code"],
        "withoutToken": (await said("SayHello", {}, header={"authorization": "none"}))["code"],
        "serverStream": await said("WatchGreetings", {"name": "World", "count": 3}),
        "serverStreamEmpty": await said("WatchGreetings", {"name": "World"}),
        "serverStreamError": await _stream_that_fails(call),
        "cancel": await _cancelled(call),
        "clientStream": await said("CollectNames", {"name": "Ada"}, {"name": "Grace"}),
        "clientStreamEmpty": await said("CollectNames"),
        "halfDuplex": await said("Chat", {"name": "Ada"}, {"name": "Grace"}),
    }
    if full_duplex:
        seen["fullDuplex"] = await _full_duplex(call)
    return seen


async def _many(said: Any) -> Any:
    answers = await asyncio.gather(*(said("SayHello", {"name": f"{n}"}) for n in range(50)))
    expected = [[f"Hello, {n}!"] for n in range(50)]
    return len(answers) if answers == expected else answers


async def _metadata(call: Call) -> Any:
    request = _stream("SayHello", [{"name": "metadata"}])
    answer = await call("SayHello", request, header={"x-judge": "seen"})
    return {
        "initial": answer.header["x-initial"],
        "binary": answer.header["x-initial-bin"],
        "trailing": answer.trailer["x-trailing"],
    }


async def _stream_that_fails(call: Call) -> Any:
    request = _stream("WatchGreetings", [{"name": "failing", "count": 2}])
    answer = await call("WatchGreetings", request)
    return {"error": answer.error, "seen": answer.messages}


async def _cancelled(call: Call) -> Any:
    answer = Answer()
    request = _stream("WatchGreetings", [{"name": "endless"}])
    task = asyncio.ensure_future(call("WatchGreetings", request, answer=answer))
    async with asyncio.timeout(20):
        await answer.reach(1)
    task.cancel()
    await asyncio.wait([task])
    # The one client raises CancelledError, the other makes an error of its own of it.
    return 1 if task.cancelled() else task.result().error["code"]


async def _full_duplex(call: Call) -> list[str]:
    answer = Answer()

    async def requests() -> AsyncIterator[Any]:
        for turn in range(3):
            yield pb.ChatRequest(name=f"{turn}")
            await answer.reach(turn + 1)

    async with asyncio.timeout(20):
        return (await call("Chat", requests(), answer=answer)).messages


async def _stream(method: str, requests: Sequence[Mapping[str, Any]]) -> AsyncIterator[Any]:
    for request in requests:
        yield METHODS[method][0](**request)


async def only(requests: AsyncIterator[Any]) -> Any:
    """The one request of a method that takes one."""
    async with aclosing(requests):  # type: ignore[type-var]  # an asynchronous generator
        return await anext(requests)

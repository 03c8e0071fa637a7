"""A servicer behaves the same to a native caller and to one over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from protocol_clients import CALLERS, Outcome, straightly
from serving import EchoService, Served, gateway_of, serving
from testing.v1 import testing_pb2 as pb

MAPPING = {
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
}


Caller = Callable[[Served, str, list[str]], Awaitable[Outcome]]


async def over_http(served: Served, rpc: str, texts: list[str]) -> Outcome:
    requests = [{"text": text, "count": 2} for text in texts]
    streams = rpc in ("ClientStream", "Bidi")
    response = await served.http.post(
        f"/grpc/{served_name(served)}/{rpc.lower()}",
        json=requests if streams else requests[0],
        headers={"x-sent": "1", "x-bin": "AP8"},
    )
    outcome = Outcome(initial=dict(response.headers))
    if response.headers["content-type"] == "application/x-ndjson":
        for line in response.text.splitlines():
            message = json.loads(line)
            if "error" in message:
                outcome.code = grpc.StatusCode[message["error"]["status"]]
                outcome.details = message["error"]["detail"]
            else:
                outcome.texts.append(message["result"]["text"])
    elif response.status_code == 200:
        outcome.texts.append(response.json()["text"])
    else:
        body = response.json()
        outcome.code = grpc.StatusCode[body["status"]]
        outcome.details = body["detail"]
        assert response.status_code == MAPPING[outcome.code]
        assert body["code"] == outcome.code.value[0]
    outcome.trailing = {
        name.removeprefix("trailer-"): value
        for name, value in response.headers.items()
        if name.startswith("trailer-")
    }
    return outcome


def served_name(served: Served) -> str:
    del served
    return "scenario"


JSON_CALLERS: dict[str, Caller] = {"http": over_http, "http-straight": straightly(over_http)}
ALL_CALLERS = {**CALLERS, **JSON_CALLERS}
PROTOCOLS = pytest.mark.parametrize("call", ALL_CALLERS.values(), ids=ALL_CALLERS)
KINDS = ("Unary", "ServerStream", "ClientStream", "Bidi")


async def outcome_of(behaviour: type[EchoService], call: Caller, rpc: str = "Unary") -> Outcome:
    behaviour.__name__ = "Scenario"
    async with serving(gateway_of(behaviour)) as served:
        return await call(served, rpc, ["a", "b"])


class AsyncGenerators(EchoService):
    """As in `serving`: `return` and `yield` in `async def`."""


class ReaderWriter(EchoService):
    """`context.read()` and `context.write()`."""

    async def ServerStream(self, request: Any, context: Any) -> None:
        for index in range(request.count):
            await context.write(pb.EchoResponse(text=request.text, index=index))

    async def ClientStream(self, request_iterator: Any, context: Any) -> Any:
        texts = []
        while (request := await context.read()) is not grpc.aio.EOF:
            texts.append(request.text)
        return pb.EchoResponse(text=",".join(texts))

    async def Bidi(self, request_iterator: Any, context: Any) -> None:
        while (request := await context.read()) is not grpc.aio.EOF:
            await context.write(pb.EchoResponse(text=request.text))


class Plain(EchoService):
    """Plain `def`, which runs in threads."""

    def Unary(self, request: Any, context: Any) -> Any:
        return pb.EchoResponse(text=request.text)

    def ServerStream(self, request: Any, context: Any) -> Iterator[Any]:
        for index in range(request.count):
            yield pb.EchoResponse(text=request.text, index=index)

    def ClientStream(self, request_iterator: Any, context: Any) -> Any:
        return pb.EchoResponse(text=",".join(request.text for request in request_iterator))

    def Bidi(self, request_iterator: Any, context: Any) -> Iterator[Any]:
        for request in request_iterator:
            yield pb.EchoResponse(text=request.text)


@PROTOCOLS
@pytest.mark.parametrize("servicer", [AsyncGenerators, ReaderWriter, Plain])
async def test_every_kind_of_rpc_in_every_style(servicer: type[EchoService], call: Caller) -> None:
    answers = {rpc: (await outcome_of(servicer, call, rpc)).texts for rpc in KINDS}
    assert answers == {
        "Unary": ["a"],
        "ServerStream": ["a", "a"],
        "ClientStream": ["a,b"],
        "Bidi": ["a", "b"],
    }


@PROTOCOLS
@pytest.mark.parametrize("code", MAPPING, ids=lambda code: code.name)
async def test_abort_with_every_code(code: grpc.StatusCode, call: Caller) -> None:
    class Aborting(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            await context.abort(code, "because")

    outcome = await outcome_of(Aborting, call)
    assert (outcome.code, outcome.details) == (code, "because")


@PROTOCOLS
async def test_set_code_and_set_details(call: Caller) -> None:
    class Setting(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            context.set_code(grpc.StatusCode.NOT_FOUND)
            context.set_details("no such thing")
            assert (context.code(), context.details()) == (
                grpc.StatusCode.NOT_FOUND,
                "no such thing",
            )
            return pb.EchoResponse()

    outcome = await outcome_of(Setting, call)
    assert (outcome.code, outcome.details) == (grpc.StatusCode.NOT_FOUND, "no such thing")


@PROTOCOLS
@pytest.mark.parametrize("rpc", KINDS)
async def test_an_unexpected_exception_tells_the_caller_nothing(
    rpc: str, call: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(EchoService):
        async def fail(self, request: Any, context: Any) -> Any:
            # The client of grpc.aio takes an answer in the middle of its sending for a fault.
            while await context.read() is not grpc.aio.EOF:
                pass
            raise KeyError("secret")

        Unary = ServerStream = ClientStream = Bidi = fail

    outcome = await outcome_of(Failing, call, rpc)
    assert (outcome.code, outcome.details) == (grpc.StatusCode.UNKNOWN, "Unexpected error")
    assert "KeyError: 'secret'" in caplog.text


@PROTOCOLS
async def test_a_code_set_before_an_unexpected_exception_wins(call: Caller) -> None:
    class Failing(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            context.set_code(grpc.StatusCode.DATA_LOSS)
            raise ValueError("secret")

    outcome = await outcome_of(Failing, call)
    assert (outcome.code, outcome.details) == (grpc.StatusCode.DATA_LOSS, "Unexpected error")


@PROTOCOLS
async def test_the_error_of_a_call_that_the_servicer_made_keeps_its_status(call: Caller) -> None:
    class Relaying(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            raise grpc.aio.AioRpcError(grpc.StatusCode.ABORTED, details="upstream says no")

    outcome = await outcome_of(Relaying, call)
    assert (outcome.code, outcome.details) == (grpc.StatusCode.ABORTED, "upstream says no")


class WithoutDetails(grpc.RpcError):
    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.ABORTED


class WithBytes(WithoutDetails):
    def details(self) -> bytes:
        return b"upstream"


class WithFailingCode(grpc.RpcError):
    def code(self) -> grpc.StatusCode:
        raise KeyError("secret")


@PROTOCOLS
@pytest.mark.parametrize(
    ("error", "code", "details"),
    [
        (WithoutDetails(), grpc.StatusCode.ABORTED, ""),
        (WithBytes(), grpc.StatusCode.ABORTED, "upstream"),
        (WithFailingCode(), grpc.StatusCode.UNKNOWN, "Unexpected error"),
        (grpc.RpcError("secret"), grpc.StatusCode.UNKNOWN, "Unexpected error"),
    ],
)
async def test_an_odd_error_of_a_call_tells_what_it_can(
    error: grpc.RpcError, code: grpc.StatusCode, details: str, call: Caller
) -> None:
    class Relaying(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            raise error

    outcome = await outcome_of(Relaying, call)
    assert (outcome.code, outcome.details) == (code, details)


@PROTOCOLS
@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("set_trailing_metadata", [(("x-secret", 5),)]),
        ("set_trailing_metadata", [((b"x-secret", "text"),)]),
        ("send_initial_metadata", [(("x-secret", 5),)]),
        ("abort", [grpc.StatusCode.NOT_FOUND, "", (("x-secret", 5),)]),
        ("abort", [grpc.StatusCode.NOT_FOUND, "", (("x-secret", None),)]),
        ("abort", [grpc.StatusCode.NOT_FOUND, b"x-secret"]),
    ],
)
async def test_what_is_of_a_wrong_type_is_refused(
    method: str, arguments: list[Any], call: Caller
) -> None:
    raised: list[BaseException] = []

    class Wrong(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            try:
                result = getattr(context, method)(*arguments)
                if result is not None:
                    await result
            except BaseException as error:
                raised.append(error)
                raise

    outcome = await outcome_of(Wrong, call)
    assert [type(error) for error in raised] == [TypeError]
    assert outcome.code is grpc.StatusCode.UNKNOWN
    assert "Unexpected error" in outcome.details
    assert "secret" not in outcome.details


UNKNOWN, NOT_FOUND = grpc.StatusCode.UNKNOWN, grpc.StatusCode.NOT_FOUND
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
UNEXPECTED = (UNKNOWN, "Unexpected error")
FINE = (grpc.StatusCode.OK, "")
PAIR = ("x-odd", "secret")

# What a servicer hands to its context: the calls one after the other, and how the RPC ends.
ODD_ARGUMENTS: dict[str, tuple[list[tuple[Any, ...]], tuple[grpc.StatusCode, str]]] = {
    "abort without details": ([("abort", NOT_FOUND, None)], (NOT_FOUND, "")),
    "abort with a number": ([("abort", 5, "why")], (NOT_FOUND, "why")),
    "abort with the last number": ([("abort", 16, "why")], (UNAUTHENTICATED, "why")),
    "abort with no such number": ([("abort", 99, "why")], (UNKNOWN, "why")),
    "abort without a code": ([("abort", None, "why")], (UNKNOWN, "why")),
    "abort with a name": ([("abort", "NOT_FOUND", "why")], (UNKNOWN, "why")),
    "abort with a code's value": ([("abort", NOT_FOUND.value, "why")], (UNKNOWN, "why")),
    "abort with OK": (
        [("abort", grpc.StatusCode.OK, "why")],
        (UNKNOWN, "The call ended without a message"),
    ),
    "abort with nought": ([("abort", 0)], (UNKNOWN, "The call ended without a message")),
    "abort after details": ([("set_details", "first"), ("abort", 5)], (NOT_FOUND, "first")),
    "abort with bytes": ([("abort", NOT_FOUND, b"secret")], UNEXPECTED),
    "abort with half a character": ([("abort", NOT_FOUND, "secret\udc80")], UNEXPECTED),
    "abort with control characters": (
        [("abort", NOT_FOUND, "\u00e9\n%")],
        (NOT_FOUND, "\u00e9\n%"),
    ),
    "abort with a dict": ([("abort", NOT_FOUND, "", dict([PAIR]))], UNEXPECTED),
    "abort with a text": ([("abort", NOT_FOUND, "", "secret")], UNEXPECTED),
    "abort with a triple": ([("abort", NOT_FOUND, "", ((*PAIR, "c"),))], UNEXPECTED),
    "abort with an upper-case key": ([("abort", NOT_FOUND, "", (("X-Odd", "a"),))], UNEXPECTED),
    "abort with text as bytes": ([("abort", NOT_FOUND, "", (("x-bin", "a"),))], UNEXPECTED),
    "abort with bytes as text": ([("abort", NOT_FOUND, "", (("x-odd", b"a"),))], (NOT_FOUND, "")),
    "abort with line breaks": ([("abort", NOT_FOUND, "", (("x-odd", "a\r\nb"),))], UNEXPECTED),
    "a dict as trailing metadata": ([("set_trailing_metadata", dict([PAIR]))], UNEXPECTED),
    "a number as trailing metadata": ([("set_trailing_metadata", 5)], UNEXPECTED),
    "a list as trailing metadata": ([("set_trailing_metadata", [PAIR])], FINE),
    "gRPC's own metadata": ([("set_trailing_metadata", grpc.aio.Metadata(PAIR))], FINE),
    "an upper-case key": ([("set_trailing_metadata", (("X-Odd", "a"),))], UNEXPECTED),
    "a key with a space": ([("set_trailing_metadata", (("x odd", "a"),))], UNEXPECTED),
    "an empty key": ([("set_trailing_metadata", (("", "a"),))], UNEXPECTED),
    "a value that is not ASCII": ([("set_trailing_metadata", (("x-odd", "\u00e9"),))], UNEXPECTED),
    "a dict as initial metadata": ([("send_initial_metadata", dict([PAIR]))], UNEXPECTED),
    "an upper-case initial key": ([("send_initial_metadata", (("X-Odd", "a"),))], UNEXPECTED),
    "initial metadata twice": ([("send_initial_metadata", (PAIR,))] * 2, UNEXPECTED),
    "no code": ([("set_code", None)], (UNKNOWN, "")),
    "a code, then none": ([("set_code", NOT_FOUND), ("set_code", None)], (UNKNOWN, "")),
    "a code, then OK": ([("set_code", NOT_FOUND), ("set_code", grpc.StatusCode.OK)], FINE),
    "the number of a code": ([("set_code", 5)], (NOT_FOUND, "")),
    "the last number of a code": ([("set_code", 16)], (UNAUTHENTICATED, "")),
    "nought for a code": ([("set_code", 0)], FINE),
    "a name for a code": ([("set_code", "NOT_FOUND")], (UNKNOWN, "")),
    "no details": ([("set_details", None)], FINE),
    "a code and no details": ([("set_code", NOT_FOUND), ("set_details", None)], (NOT_FOUND, "")),
    "bytes as details": ([("set_details", b"secret")], UNEXPECTED),
    "a number for a compression": ([("set_compression", 5)], UNEXPECTED),
    "a name for a compression": ([("set_compression", "gzip")], UNEXPECTED),
    "no compression": ([("set_compression", None)], FINE),
    "half a character": ([("set_details", "secret\udc80")], UNEXPECTED),
}


@pytest.mark.parametrize(
    "call",
    [
        # The two listeners differ here; the protocols of HTTP among themselves hardly do.
        pytest.param(call, id=name, marks=[] if name in ("grpc", "http") else pytest.mark.full)
        for name, call in ALL_CALLERS.items()
    ],
)
@pytest.mark.parametrize("name", ODD_ARGUMENTS)
async def test_an_odd_argument_ends_a_call_the_same_way(name: str, call: Caller) -> None:
    calls, end = ODD_ARGUMENTS[name]

    class Odd(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            for method, *arguments in calls:
                result = getattr(context, method)(*arguments)
                if result is not None:
                    await result
            return pb.EchoResponse()

    outcome = await outcome_of(Odd, call)
    assert (outcome.code, outcome.details) == end


class NoExceptionError(BaseException):
    """As `SystemExit` and `CancelledError`, no `Exception`."""


@PROTOCOLS
@pytest.mark.parametrize("rpc", ["Unary", "ServerStream"])
@pytest.mark.parametrize("waits", [False, True], ids=["at-once", "after-a-wait"])
@pytest.mark.parametrize("error", [SystemExit, GeneratorExit, NoExceptionError])
async def test_what_is_no_exception_ends_the_call_alone(
    error: type[BaseException], waits: bool, rpc: str, call: Caller
) -> None:
    class Exiting(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            if waits:
                await asyncio.sleep(0)
            raise error("secret")

        async def ServerStream(self, request: Any, context: Any) -> AsyncIterator[Any]:
            yield pb.EchoResponse(text="one")
            await self.Unary(request, context)

    outcome = await outcome_of(Exiting, call, rpc)
    assert (outcome.code, outcome.details) == UNEXPECTED


@PROTOCOLS
@pytest.mark.parametrize("rpc", ["Unary", "ServerStream"])
async def test_the_first_abort_is_the_end(rpc: str, call: Caller) -> None:
    class Wrapping(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            try:
                await context.abort(NOT_FOUND, "there is none", (("x-why", "first"),))
            except Exception:  # of which `AbortError` is one
                await context.abort(grpc.StatusCode.INTERNAL, "it failed", (("x-why", "second"),))

        async def ServerStream(self, request: Any, context: Any) -> AsyncIterator[Any]:
            yield pb.EchoResponse(text="one")
            await self.Unary(request, context)

    outcome = await outcome_of(Wrapping, call, rpc)
    assert (outcome.code, outcome.details) == (NOT_FOUND, "there is none")
    # Of a stream over HTTP/JSON, the headers are sent before.
    if not (rpc == "ServerStream" and call in JSON_CALLERS.values()):
        assert outcome.trailing["x-why"] == "first"


async def cancel(_context: Any) -> None:
    raise asyncio.CancelledError("secret")


async def abort_as_cancelled(context: Any) -> None:
    await context.abort(grpc.StatusCode.CANCELLED, "Cancelled")


async def set_cancelled(context: Any) -> None:
    context.set_code(grpc.StatusCode.CANCELLED)
    context.set_details("Cancelled")


@PROTOCOLS
@pytest.mark.parametrize("rpc", ["Unary", "ServerStream"])
@pytest.mark.parametrize("end", [cancel, abort_as_cancelled, set_cancelled])
async def test_a_call_that_ends_as_cancelled_says_so(
    end: Callable[[Any], Awaitable[None]], rpc: str, call: Caller
) -> None:
    told: list[tuple[bool, bool]] = []

    class Cancelling(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            context.add_done_callback(
                lambda context: told.append((context.cancelled(), context.done()))
            )
            await end(context)
            return pb.EchoResponse()

        async def ServerStream(self, request: Any, context: Any) -> AsyncIterator[Any]:
            yield pb.EchoResponse(text="one")
            await self.Unary(request, context)

    outcome = await outcome_of(Cancelling, call, rpc)
    assert (outcome.code, outcome.details) == (grpc.StatusCode.CANCELLED, "Cancelled")
    assert outcome.texts == (["one"] if rpc == "ServerStream" else [])
    assert told == [(True, True)]


@PROTOCOLS
async def test_a_response_of_the_wrong_type_is_unexpected(call: Caller) -> None:
    class Wrong(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            return "no message"

    outcome = await outcome_of(Wrong, call)
    assert (outcome.code, outcome.details) == (grpc.StatusCode.UNKNOWN, "Unexpected error")


@PROTOCOLS
async def test_a_failure_after_the_first_messages(call: Caller) -> None:
    class Breaking(EchoService):
        async def ServerStream(self, request: Any, context: Any) -> AsyncIterator[Any]:
            yield pb.EchoResponse(text="one")
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "enough")

    outcome = await outcome_of(Breaking, call, "ServerStream")
    assert outcome.texts == ["one"]
    assert (outcome.code, outcome.details) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "enough")


@PROTOCOLS
async def test_a_plain_method_aborts(call: Caller) -> None:
    class Aborting(EchoService):
        def Unary(self, request: Any, context: Any) -> Any:
            context.set_trailing_metadata([("x-why", "plain")])
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you")

    outcome = await outcome_of(Aborting, call)
    assert (outcome.code, outcome.details) == (grpc.StatusCode.PERMISSION_DENIED, "not you")
    assert outcome.trailing["x-why"] == "plain"


@PROTOCOLS
async def test_metadata_in_both_directions(call: Caller) -> None:
    class Echoing(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            sent = dict(context.invocation_metadata())
            await context.send_initial_metadata([("x-initial", sent["x-sent"])])
            context.set_trailing_metadata([("x-trailing", str(sent["x-bin"] == b"\0\xff"))])
            assert dict(context.trailing_metadata()) == {"x-trailing": "True"}
            return pb.EchoResponse()

    outcome = await outcome_of(Echoing, call)
    assert outcome.initial["x-initial"] == "1"
    assert outcome.trailing["x-trailing"] == "True"


@PROTOCOLS
async def test_metadata_of_an_error(call: Caller) -> None:
    class Aborting(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            await context.send_initial_metadata([("x-initial", "1")])
            await context.abort(grpc.StatusCode.INTERNAL, "", (("x-trailing", "2"),))

    outcome = await outcome_of(Aborting, call)
    assert outcome.initial["x-initial"] == "1"
    assert outcome.trailing["x-trailing"] == "2"


@PROTOCOLS
async def test_initial_metadata_can_be_sent_once(call: Caller) -> None:
    class Twice(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            await context.send_initial_metadata([("x-initial", "1")])
            with pytest.raises(grpc.aio.UsageError):
                await context.send_initial_metadata([("x-initial", "2")])
            return pb.EchoResponse(text="fine")

    outcome = await outcome_of(Twice, call)
    assert (outcome.texts, outcome.initial["x-initial"]) == (["fine"], "1")


@PROTOCOLS
async def test_done_callbacks_run(call: Caller) -> None:
    done: list[bool] = []

    class Calling(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            context.add_done_callback(lambda context: done.append(context.done()))
            assert not context.done()
            assert not context.cancelled()
            return pb.EchoResponse()

    await outcome_of(Calling, call)
    assert done == [True]


@PROTOCOLS
@pytest.mark.parametrize("plain", [False, True], ids=["async", "plain"])
async def test_a_callback_that_fails_is_not_the_end_of_the_call(plain: bool, call: Caller) -> None:
    done: list[str] = []

    def fail(*_: Any) -> None:
        raise KeyError("secret")

    class Calling(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            context.add_done_callback(fail)
            context.add_done_callback(lambda _: done.append("async"))
            return pb.EchoResponse(text="fine")

    class Plain(EchoService):
        def Unary(self, request: Any, context: Any) -> Any:
            context.add_callback(fail)
            assert context.add_callback(lambda: done.append("plain"))
            return pb.EchoResponse(text="fine")

    outcome = await outcome_of(Plain if plain else Calling, call)
    assert outcome.texts == ["fine"]
    assert done == ["plain" if plain else "async"]


@PROTOCOLS
async def test_peer_is_an_address(call: Caller) -> None:
    class Telling(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            context.set_compression(grpc.Compression.Gzip)
            context.disable_next_message_compression()
            assert context.peer_identities() is None
            assert context.peer_identity_key() is None
            return pb.EchoResponse(text=context.peer())

    (peer,) = (await outcome_of(Telling, call)).texts
    assert peer.startswith(("ipv4:127.0.0.1:", "ipv6:%5B::1%5D:"))


async def test_rich_error_details_are_json() -> None:
    class Rich(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            detail = any_pb2.Any()
            detail.Pack(
                error_details_pb2.BadRequest(
                    field_violations=[
                        error_details_pb2.BadRequest.FieldViolation(
                            field="text", description="too short"
                        )
                    ]
                )
            )
            status = status_pb2.Status(
                code=code_pb2.INVALID_ARGUMENT, message="Look closer", details=[detail]
            )
            await context.abort_with_status(rpc_status.to_status(status))

    async with serving(gateway_of(Rich)) as served:
        response = await served.http.post("/grpc/rich/unary", json={})
        assert response.json() == {
            "detail": "Look closer",
            "code": 3,
            "status": "INVALID_ARGUMENT",
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.BadRequest",
                    "fieldViolations": [
                        {
                            "field": "text",
                            "description": "too short",
                            "reason": "",
                        }
                    ],
                }
            ],
        }
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await served.stub.Unary(pb.EchoRequest())
        assert error.value.details() == "Look closer"


@pytest.mark.parametrize(
    "metadata",
    [
        [("x-evil", "a\r\nset-cookie: b")],
        [("x-evil\r\n", "a")],
        [("x-evil", "caf\u00e9")],
        [("x-evil-bin", "text")],
    ],
)
async def test_metadata_cannot_inject_headers(metadata: Any) -> None:
    class Evil(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            with pytest.raises((ValueError, TypeError), match="metadata was invalid"):
                await context.send_initial_metadata(metadata)
            context.set_trailing_metadata(metadata)

    async with serving(gateway_of(Evil)) as served:
        response = await served.http.post("/grpc/evil/unary", json={})
        assert (response.status_code, response.json()["detail"]) == (500, "Unexpected error")
        assert not any(name.startswith(("set-cookie", "trailer")) for name in response.headers)

"""What servicers may hand to the context of a native call, and the end if they may not."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from serving import EchoService, gateway_of, serving
from test_ends import PATIENCE, Ordinary, end_of
from testing.v1 import testing_pb2 as pb

NOT_FOUND = grpc.StatusCode.NOT_FOUND
UNEXPECTED = (grpc.StatusCode.UNKNOWN, "Unexpected error")

REFUSED: list[tuple[str, list[Any]]] = [
    ("abort", [NOT_FOUND, b"bytes"]),
    ("abort", [NOT_FOUND, 5]),
    ("abort", [NOT_FOUND, "", {"x-why": "a dictionary"}]),
    ("abort", [NOT_FOUND, "", [("X-Why", "upper case")]]),
    ("abort", [NOT_FOUND, "", [("x why", "a space")]]),
    ("abort", [NOT_FOUND, "", [("x-why", "not ASCII: \u00e9")]]),
    ("abort", [NOT_FOUND, "", [("x-why", "a\nline")]]),
    ("abort", [NOT_FOUND, "", [("x-why-bin", "text")]]),
    ("abort", [NOT_FOUND, "", [("x-why",)]]),
    ("abort", [NOT_FOUND, "", 5]),
    ("abort_with_status", [None]),
    ("set_details", [b"bytes"]),
    ("set_trailing_metadata", [{"x-why": "a dictionary"}]),
    ("set_trailing_metadata", [[("X-Why", "upper case")]]),
    ("set_trailing_metadata", [[("x-why", None)]]),
    ("set_trailing_metadata", [5]),
    ("send_initial_metadata", [{"x-why": "a dictionary"}]),
    ("send_initial_metadata", [[("X-Why", "upper case")]]),
    ("send_initial_metadata", [[("x-why", "a\r\nline")]]),
    ("set_compression", ["gzip"]),
    ("add_done_callback", []),
]

TAKEN: list[tuple[str, list[Any], grpc.StatusCode, str]] = [
    ("abort", [NOT_FOUND], NOT_FOUND, ""),
    ("abort", [5, "by number"], NOT_FOUND, "by number"),
    ("abort", [99, "no such code"], grpc.StatusCode.UNKNOWN, "no such code"),
    ("abort", ["NOT_FOUND", "by name"], grpc.StatusCode.UNKNOWN, "by name"),
    ("abort", [None, "no code"], grpc.StatusCode.UNKNOWN, "no code"),
    ("abort", [NOT_FOUND, "\u00e9 and \u4e16"], NOT_FOUND, "\u00e9 and \u4e16"),
    ("abort", [NOT_FOUND, "", [("x-why", "a list")]], NOT_FOUND, ""),
    ("abort", [NOT_FOUND, "", grpc.aio.Metadata(("x-why", "theirs"))], NOT_FOUND, ""),
    ("abort", [NOT_FOUND, "", None], NOT_FOUND, ""),
    ("abort", [NOT_FOUND, None], NOT_FOUND, ""),
    ("set_details", [None], grpc.StatusCode.OK, ""),
    ("set_code", [5], NOT_FOUND, ""),
    ("set_code", [99], grpc.StatusCode.UNKNOWN, ""),
    ("set_code", [grpc.StatusCode.OK], grpc.StatusCode.OK, ""),
    ("set_trailing_metadata", [[("x-why", b"bytes")]], grpc.StatusCode.OK, ""),
    ("set_trailing_metadata", [None], grpc.StatusCode.OK, ""),
    ("set_trailing_metadata", [[("x-why-bin", b"\0\xff")]], grpc.StatusCode.OK, ""),
    ("set_code", [None], grpc.StatusCode.UNKNOWN, ""),
    ("set_compression", [None], grpc.StatusCode.OK, ""),
    ("set_compression", [grpc.Compression.Gzip], grpc.StatusCode.OK, ""),
]


class Setting(EchoService):
    """Calls a method of its context."""

    method: str
    arguments: list[Any]

    async def Unary(self, request: Any, context: Any) -> Any:
        result = getattr(context, self.method)(*self.arguments)
        if result is not None:
            await result
        return pb.EchoResponse(text="fine")

    async def ServerStream(self, request: Any, context: Any) -> Any:
        yield await self.Unary(request, context)

    def Everything(self, request: Any, context: Any) -> Any:
        getattr(context, self.method)(*self.arguments)
        return request


class Interfering(grpc.aio.ServerInterceptor):
    """Does the same in the place of the servicer."""

    def __init__(self, servicer: Setting) -> None:
        self._servicer = servicer

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        async def interfere(request: Any, context: Any) -> Any:
            await self._servicer.Unary(request, context)
            return b""

        handler: Any = interfere
        is_unary = details.method.endswith("/Unary")
        if is_unary:
            return grpc.unary_unary_rpc_method_handler(handler)
        return await continuation(details)


@pytest.fixture(params=["alone", "ordinary", "interfering"])
def options(request: pytest.FixtureRequest) -> Any:
    interceptors = {
        "alone": lambda _: [],
        "ordinary": lambda _: [Ordinary()],
        "interfering": lambda servicer: [Interfering(servicer)],
    }
    return interceptors[request.param]


@pytest.mark.parametrize("rpc", ["Unary", "ServerStream", "Everything"])
async def test_what_grpc_cannot_send_is_an_unexpected_error(rpc: str, options: Any) -> None:
    servicer = Setting()
    async with serving(gateway_of(servicer, interceptors=options(servicer))) as served:
        for method, arguments in REFUSED:
            servicer.method, servicer.arguments = method, arguments
            if rpc == "Everything":
                call = served.channel.unary_unary("/testing.v1.Echo/Everything")
                ended = call(b"", timeout=PATIENCE)
                end = await ended.code(), await ended.details()
            else:
                end = await end_of(served, rpc, b"")
            assert (method, arguments, end) == (method, arguments, UNEXPECTED)


async def test_what_it_can_send_is_sent(options: Any) -> None:
    servicer = Setting()
    async with serving(gateway_of(servicer, interceptors=options(servicer))) as served:
        for method, arguments, code, details in TAKEN:
            servicer.method, servicer.arguments = method, arguments
            end = await end_of(served, "Unary", b"")
            assert (method, arguments, end) == (method, arguments, (code, details))


async def test_details_with_a_code_that_wins(options: Any) -> None:
    class Both(Setting):
        async def Unary(self, request: Any, context: Any) -> Any:
            context.set_code(NOT_FOUND)
            context.set_details("said before")
            await context.abort(grpc.StatusCode.ABORTED)

    servicer = Both()
    async with serving(gateway_of(servicer, interceptors=options(servicer))) as served:
        end = await end_of(served, "Unary", b"")
    assert end == (grpc.StatusCode.ABORTED, "said before")

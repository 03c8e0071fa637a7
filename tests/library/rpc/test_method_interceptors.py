"""Layers around the handlers of both protocols, alone and among ordinary interceptors."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from polyrpc.rpc.handlers import RpcFunction
from polyrpc.rpc.interception import AnyInterceptor, MethodInterceptor
from polyrpc.rpc.method_info import Protocol
from serving import EchoService, Served, gateway_of, serving
from testing.v1 import testing_pb2 as pb

UNARY = "/testing.v1.Echo/Unary"


class Ordinary(grpc.aio.ServerInterceptor):
    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        return await continuation(details)


class Recording(MethodInterceptor):
    """Remembers what it was put around, and how the calls through it have ended."""

    def __init__(self) -> None:
        self.put_around: list[tuple[str, str]] = []
        self.calls: list[tuple[str, str, str]] = []
        self.ended = asyncio.Event()

    def wrap(self, rpc: str, protocol: Protocol, run: RpcFunction) -> RpcFunction:
        self.put_around.append((rpc, protocol))

        async def recorded(request: Any, context: Any) -> Any:
            try:
                response = await run(request, context)
            except Exception as error:
                self.calls.append((rpc, protocol, type(error).__name__))
                self.ended.set()
                raise
            self.calls.append((rpc, protocol, "returned"))
            return response

        return recorded


class Refusing(MethodInterceptor):
    def wrap(self, rpc: str, protocol: Protocol, run: RpcFunction) -> RpcFunction:
        async def refuse(_request: Any, context: Any) -> Any:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, f"not {rpc} by {protocol}")

        return refuse


AMONG: list[tuple[Sequence[AnyInterceptor], Sequence[AnyInterceptor]]] = [
    ([], []),
    ([Ordinary()], []),
    ([], [Ordinary()]),
]


@pytest.fixture(params=AMONG, ids=["alone", "after-an-ordinary-one", "before-an-ordinary-one"])
def among(request: pytest.FixtureRequest) -> Any:
    """Puts a layer where the test's turn wants it."""
    before, after = request.param
    return lambda layer: [*before, layer, *after]


async def call_over_http(served: Served, rpc: str, body: bytes = b"{}") -> Any:
    return await served.http.post(f"/grpc/echoservice/{rpc.lower()}", content=body)


@pytest.mark.parametrize("rpc", ["Unary", "ServerStream", "ClientStream", "Bidi"])
async def test_a_layer_is_around_calls_of_every_kind_by_both_protocols(
    among: Any, rpc: str
) -> None:
    layer = Recording()
    async with serving(gateway_of(EchoService, interceptors=among(layer))) as served:
        assert (await call_over_http(served, rpc)).status_code == 200
        native = getattr(served.stub, rpc)
        call = native(iter([])) if rpc in ("ClientStream", "Bidi") else native(pb.EchoRequest())
        assert await call.code() is grpc.StatusCode.OK
    path = f"/testing.v1.Echo/{rpc}"
    assert layer.calls == [(path, "http", "returned"), (path, "grpc", "returned")]


async def test_a_layer_is_put_around_an_rpc_once(among: Any) -> None:
    layer = Recording()
    async with serving(gateway_of(EchoService, interceptors=among(layer))) as served:
        for _ in range(3):
            await call_over_http(served, "unary")
            await served.stub.Unary(pb.EchoRequest())
    for protocol in ("grpc", "http"):
        assert layer.put_around.count((UNARY, protocol)) == 1


async def test_a_layer_refuses_a_call_before_its_message_is_looked_at(among: Any) -> None:
    async with serving(gateway_of(EchoService, interceptors=among(Refusing()))) as served:
        response = await call_over_http(served, "unary", b"not even JSON")
        assert (response.status_code, response.json()["detail"]) == (403, f"not {UNARY} by http")
        call = served.channel.unary_unary(UNARY)(b"\xff")
        assert await call.code() is grpc.StatusCode.PERMISSION_DENIED
        assert await call.details() == f"not {UNARY} by grpc"


async def test_a_call_whose_message_cannot_be_read_is_observed(among: Any) -> None:
    layer = Recording()
    async with serving(gateway_of(EchoService, interceptors=among(layer))) as served:
        assert (await call_over_http(served, "unary", b"not even JSON")).status_code == 400
        call = served.channel.unary_unary(UNARY)(b"\xff")
        assert await call.code() is not grpc.StatusCode.OK
    assert [(rpc, protocol) for rpc, protocol, _ in layer.calls] == [
        (UNARY, "http"),
        (UNARY, "grpc"),
    ]
    assert "returned" not in {end for _, _, end in layer.calls}


@pytest.mark.parametrize("rpc", ["unary", "serverstream", "clientstream", "bidi"])
@pytest.mark.parametrize("header", ["grpc-timeout", "x-some-bin"])
async def test_a_call_with_a_malformed_header_is_observed(rpc: str, header: str) -> None:
    layer = Recording()
    async with serving(gateway_of(EchoService, interceptors=[layer])) as served:
        path = f"/grpc/echoservice/{rpc}"
        response = await served.http.post(path, json={}, headers={header: "%"})
        assert (response.status_code, response.json()["status"]) == (400, "INVALID_ARGUMENT")
        assert header in response.json()["detail"]
        assert [(protocol, ended) for _, protocol, ended in layer.calls] == [("http", "CallError")]


async def test_the_other_metadata_of_a_malformed_header_are_known() -> None:
    class Asking(MethodInterceptor):
        def wrap(self, rpc: str, protocol: Protocol, run: RpcFunction) -> RpcFunction:
            async def ask(request: Any, context: Any) -> Any:
                metadata = dict(context.invocation_metadata())
                context.set_trailing_metadata((("x-known", metadata["x-sent"]),))
                return await run(request, context)

            return ask

    async with serving(gateway_of(EchoService, interceptors=[Asking()])) as served:
        headers = {"x-sent": "1", "x-some-bin": "%"}
        response = await served.http.post("/grpc/echoservice/unary", json={}, headers=headers)
        assert (response.status_code, response.headers["trailer-x-known"]) == (400, "1")


async def test_a_layer_is_around_rpcs_that_there_are_not(among: Any) -> None:
    layer = Recording()
    async with serving(gateway_of(EchoService, interceptors=among(layer))) as served:
        for rpc in ("/no.such.Service/Rpc", "/testing.v1.Echo/NoSuch"):
            call = served.channel.unary_unary(rpc)(b"")
            assert await call.code() is grpc.StatusCode.UNIMPLEMENTED
            assert await call.details() == "Method not found!"
            # The status of a call that is aborted is on its way before the layers know.
            await layer.ended.wait()
            layer.ended.clear()
            assert layer.calls.pop() == (rpc, "grpc", "CallError")


async def test_a_layer_observes_what_an_ordinary_interceptor_inside_it_raises() -> None:
    class Failing(grpc.aio.ServerInterceptor):
        async def intercept_service(self, continuation: Any, details: Any) -> Any:
            raise KeyError("secret")

    layer = Recording()
    async with serving(gateway_of(EchoService, interceptors=[layer, Failing()])) as served:
        assert (await call_over_http(served, "unary")).status_code == 500
        assert await served.stub.Unary(pb.EchoRequest()).code() is grpc.StatusCode.UNKNOWN
    assert layer.calls == [(UNARY, "http", "KeyError"), (UNARY, "grpc", "KeyError")]


async def test_the_first_is_the_outermost_and_ordinary_ones_are_inside() -> None:
    order: list[str] = []

    class Named(MethodInterceptor):
        def __init__(self, name: str) -> None:
            self.name = name

        def wrap(self, rpc: str, protocol: Protocol, run: RpcFunction) -> RpcFunction:
            async def named(request: Any, context: Any) -> Any:
                order.append(f"{self.name} of {rpc} by {protocol}")
                return await run(request, context)

            return named

    class Last(Ordinary):
        async def intercept_service(self, continuation: Any, details: Any) -> Any:
            order.append(f"ordinary of {details.method} by {details.protocol}")
            return await continuation(details)

    interceptors = [Last(), Named("first"), Named("second")]
    async with serving(gateway_of(EchoService, interceptors=interceptors)) as served:
        await call_over_http(served, "unary")
        await served.stub.Unary(pb.EchoRequest())
    assert order == [
        f"{name} of {UNARY} by {protocol}"
        for protocol in ("http", "grpc")
        for name in ("first", "second", "ordinary")
    ]

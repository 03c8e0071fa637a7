"""`ServiceGateway`: what the framework documents, and the life of its gRPC server."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import grpc
import pytest
import trustme
from polyrpc import ServiceGateway
from polyrpc.framework.imports import Application, Gateway, GrpcGateway, ImproperlyConfigured, get
from polyrpc.interceptors.auth import Tokens
from polyrpc.interceptors.standard import StandardInterceptor
from serving import EchoService, gateway_of, http_server, serving
from testing.v1 import testing_pb2 as pb
from testing.v1 import testing_pb2_grpc as pb_grpc


class LibraryService(pb_grpc.LibraryServicer):
    @classmethod
    def __add_to_server__(cls, instance: Any, server: Any) -> None:
        pb_grpc.add_LibraryServicer_to_server(instance, server)

    async def GetBook(self, request: Any, context: Any) -> Any:
        return pb.Book(name=request.name)


class CountingService(EchoService):
    """Holds state, and has helper methods."""

    def __init__(self, start: int = 0) -> None:
        self.calls = start

    def reset(self) -> None:
        self.calls = 0

    async def Unary(self, request: Any, context: Any) -> Any:
        self.calls += 1
        return pb.EchoResponse(text=request.text, index=self.calls)


async def test_it_is_a_grpc_gateway_of_the_framework() -> None:
    assert isinstance(gateway_of(EchoService), GrpcGateway)


async def test_one_rpc_answers_over_both_protocols() -> None:
    async with serving(gateway_of(EchoService)) as served:
        response = await served.http.post("/grpc/echoservice/unary", json={"text": "World"})
        assert (response.status_code, response.json()) == (200, {"text": "World", "index": 0})
        assert (await served.stub.Unary(pb.EchoRequest(text="gRPC"))).text == "gRPC"


def test_it_can_be_made_where_no_event_loop_runs() -> None:
    made: list[ServiceGateway] = []
    thread = threading.Thread(target=lambda: made.append(gateway_of(EchoService)))
    thread.start()
    thread.join()

    async def call() -> str:
        async with serving(made[0]) as served:
            return str((await served.stub.Unary(pb.EchoRequest(text="later"))).text)

    assert asyncio.run(call()) == "later"


async def test_several_services_in_one_gateway() -> None:
    async with serving(gateway_of(EchoService, LibraryService)) as served:
        echo = await served.http.post("/grpc/echoservice/unary", json={"text": "a"})
        book = await served.http.post("/grpc/libraryservice/getbook", json={"name": "b"})
        assert (echo.json()["text"], book.json()["name"]) == ("a", "b")


async def test_several_gateways_in_one_application() -> None:
    first = gateway_of(EchoService)
    second = ServiceGateway("/second", [CountingService(41)], port=0)
    async with serving(first, second) as served:
        responses = [
            await served.http.post(path, json={"text": "x"})
            for path in ("/grpc/echoservice/unary", "/second/countingservice/unary")
        ]
        assert [response.json()["index"] for response in responses] == [0, 42]


async def test_base_path_goes_before_every_route() -> None:
    async with serving(gateway_of(EchoService), base_path="/api") as served:
        moved = await served.http.post("/api/grpc/echoservice/unary", json={"text": "x"})
        plain = await served.http.post("/grpc/echoservice/unary", json={"text": "x"})
        assert (moved.status_code, plain.status_code) == (200, 404)


async def test_expose_http_false_adds_no_routes() -> None:
    async with serving(gateway_of(EchoService, expose_http=False)) as served:
        response = await served.http.post("/grpc/echoservice/unary", json={"text": "x"})
        assert response.status_code == 404
        assert (await served.stub.Unary(pb.EchoRequest(text="x"))).text == "x"


async def test_helper_methods_are_no_routes() -> None:
    async with serving(gateway_of(CountingService)) as served:
        response = await served.http.post("/grpc/countingservice/reset", json={})
        assert response.status_code == 404


async def test_one_instance_serves_both_protocols() -> None:
    async with serving(gateway_of(CountingService(10))) as served:
        assert (await served.stub.Unary(pb.EchoRequest())).index == 11
        response = await served.http.post("/grpc/countingservice/unary", json={})
        assert response.json()["index"] == 12


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_without_http_methods_every_method_answers(method: str) -> None:
    async with serving(gateway_of(EchoService)) as served:
        from_query = method in ("GET", "DELETE")
        response = await served.http.request(
            method,
            "/grpc/echoservice/unary",
            params={"text": "x", "count": "3"} if from_query else None,
            json=None if from_query else {"text": "x", "count": 3},
        )
        assert (response.status_code, response.json()) == (200, {"text": "x", "index": 3})


async def test_http_methods_limits_them() -> None:
    async with serving(gateway_of(EchoService, http_methods=["post", "PUT"])) as served:
        response = await served.http.get("/grpc/echoservice/unary")
        assert response.status_code == 405
        assert response.headers["allow"] == "POST, PUT"
        assert response.json()["status"] == "UNIMPLEMENTED"


def test_http_methods_are_a_list() -> None:
    with pytest.raises(TypeError, match=r"http_methods must be a list, such as \['POST'\]"):
        gateway_of(EchoService, http_methods="POST")


def test_services_may_be_given_one_by_one() -> None:
    gateway = ServiceGateway("/grpc", iter([EchoService]))
    assert gateway.services == [EchoService]
    assert "/testing.v1.Echo/Unary" in gateway.http_paths


async def test_other_routes_of_the_application_stay() -> None:
    @get("/")
    async def home() -> str:
        return "home"

    app = Application(routes=[Gateway("/home", handler=home)])
    async with serving(gateway_of(EchoService), app=app) as served:
        assert (await served.http.get("/home")).json() == "home"


async def test_port_0_takes_a_free_port_and_tells() -> None:
    gateway = gateway_of(EchoService)
    assert gateway.bound_port is None
    async with serving(gateway):
        assert gateway.bound_port
    assert gateway.bound_port is None


async def test_a_taken_port_is_an_error_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gateway = ServiceGateway("/grpc", [EchoService], port=port)
        with pytest.raises(OSError, match=str(port)):
            await gateway.startup()


async def test_two_gateways_never_share_a_port() -> None:
    async with serving(gateway_of(EchoService)) as served:
        del served
        first = gateway_of(EchoService)
        await first.startup()
        second = ServiceGateway("/grpc", [EchoService], port=first.bound_port or 0)
        with pytest.raises(OSError, match="in use"):
            await second.startup()
        await first.shutdown()


async def test_shutdown_is_idempotent_and_startup_may_follow() -> None:
    gateway = gateway_of(EchoService)
    await gateway.shutdown()
    for _ in range(2):
        async with serving(gateway, app=Application()) as served:
            assert (await served.stub.Unary(pb.EchoRequest(text="again"))).text == "again"
        await gateway.shutdown()


async def test_startup_twice_is_an_error() -> None:
    gateway = gateway_of(EchoService)
    async with serving(gateway):
        with pytest.raises(RuntimeError, match="running already"):
            await gateway.startup()


async def test_shutdown_lets_calls_in_flight_finish() -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    class Slow(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            entered.set()
            await leave.wait()
            return pb.EchoResponse(text="finished")

    gateway = gateway_of(Slow)
    async with serving(gateway) as served:
        call = asyncio.ensure_future(served.stub.Unary(pb.EchoRequest()))
        await entered.wait()
        stopping = asyncio.create_task(gateway.shutdown())
        await asyncio.sleep(0)
        leave.set()
        assert (await call).text == "finished"
        await stopping


async def test_shutdown_cancels_calls_when_the_grace_is_over() -> None:
    entered, cancelled = asyncio.Event(), asyncio.Event()

    class Endless(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            entered.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

    gateway = gateway_of(Endless)
    async with serving(gateway) as served:
        call = asyncio.ensure_future(served.stub.Unary(pb.EchoRequest()))
        await entered.wait()
        await gateway.shutdown(grace=0)
        with pytest.raises(grpc.aio.AioRpcError):
            await call
        await cancelled.wait()


@pytest.mark.parametrize("over_http", [False, True])
@pytest.mark.parametrize("ordinary", [False, True])
async def test_handlers_without_a_descriptor_are_served_by_grpc(
    ordinary: bool, over_http: bool
) -> None:
    class Legacy(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> Any:
            if handler_call_details.method == "/legacy.Echo/Fail":
                raise KeyError("secret")
            known = handler_call_details.method == "/legacy.Echo/Unary"
            return grpc.unary_unary_rpc_method_handler(self.echo) if known else None

        async def echo(self, request: bytes, context: Any) -> bytes:
            return request

    class WithLegacy(EchoService):
        @classmethod
        def __add_to_server__(cls, instance: Any, server: Any) -> None:
            pb_grpc.add_EchoServicer_to_server(instance, server)
            server.add_generic_rpc_handlers((Legacy(),))

    interceptors = [_Ordinary()] if ordinary else []
    async with (
        serving(gateway_of(WithLegacy, interceptors=interceptors)) as served,
        http_server(served.app, http="zttp", http2=True) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as on_http,
    ):
        channel = on_http if over_http else served.channel
        assert await channel.unary_unary("/legacy.Echo/Unary")(b"old") == b"old"
        stub: Any = pb_grpc.EchoStub(channel)
        assert (await stub.Unary(pb.EchoRequest(text="new"))).text == "new"
        for method, code in (
            ("Fail", grpc.StatusCode.UNKNOWN),
            ("Nope", grpc.StatusCode.UNIMPLEMENTED),
        ):
            call = channel.unary_unary(f"/legacy.Echo/{method}")(b"")
            assert await call.code() is code
            assert "secret" not in await call.details()


@pytest.mark.parametrize("over_http", [False, True])
@pytest.mark.parametrize("path", ["/legacy.Echo/Unary", "/grpc.health.v1.Health/Anything"])
async def test_handlers_without_a_descriptor_are_not_asked_for_strangers(
    path: str, over_http: bool
) -> None:
    asked: list[str] = []

    class Asked(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> Any:
            asked.append(handler_call_details.method)
            raise RuntimeError("strangers make it fail")

    class WithAsked(EchoService):
        @classmethod
        def __add_to_server__(cls, instance: Any, server: Any) -> None:
            pb_grpc.add_EchoServicer_to_server(instance, server)
            server.add_generic_rpc_handlers((Asked(),))

    guard = StandardInterceptor(tokens=Tokens("token"))
    async with (
        serving(gateway_of(WithAsked, interceptors=[guard])) as served,
        http_server(served.app, http="zttp", http2=True) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as on_http,
    ):
        channel = on_http if over_http else served.channel
        rpc = channel.unary_unary(path)
        assert await rpc(b"").code() is grpc.StatusCode.UNAUTHENTICATED
        assert not asked
        known = rpc(b"", metadata=[("authorization", "Bearer token")])
        assert await known.code() is grpc.StatusCode.UNKNOWN
        assert asked == [path]


@pytest.mark.parametrize("first", [0, 1])
async def test_of_several_gateways_the_one_that_may_know_it_answers_an_unknown_rpc(
    first: int,
) -> None:
    class Legacy(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(self.echo)

        async def echo(self, request: bytes, context: Any) -> bytes:
            return request

    class WithLegacy(LibraryService):
        @classmethod
        def __add_to_server__(cls, instance: Any, server: Any) -> None:
            super().__add_to_server__(instance, server)
            server.add_generic_rpc_handlers((Legacy(),))

    guard = StandardInterceptor(tokens=Tokens("token"))
    guarded = gateway_of(EchoService, interceptors=[guard])
    gateways = [guarded, ServiceGateway("/legacy", [WithLegacy], port=0)]
    async with (
        serving(gateways[first], gateways[1 - first]) as served,
        http_server(served.app, http="zttp", http2=True) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        # Nobody else answers for a service.
        stranger = channel.unary_unary("/testing.v1.Echo/Nope")
        assert await stranger(b"").code() is grpc.StatusCode.UNAUTHENTICATED
        known = stranger(b"", metadata=[("authorization", "Bearer token")])
        assert await known.code() is grpc.StatusCode.UNIMPLEMENTED
        for rpc in ("/legacy.Echo/Unary", "/testing.v1.Library/Nope"):
            assert await channel.unary_unary(rpc)(b"old") == b"old"


@pytest.mark.parametrize("over_http", [False, True])
async def test_a_handler_without_a_descriptor_sees_no_message_that_cannot_be_read(
    over_http: bool,
) -> None:
    seen: list[bytes] = []

    class Legacy(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(self.keep)

        async def keep(self, request: bytes, context: Any) -> bytes:
            seen.append(request)
            return request

    class WithLegacy(EchoService):
        @classmethod
        def __add_to_server__(cls, instance: Any, server: Any) -> None:
            pb_grpc.add_EchoServicer_to_server(instance, server)
            server.add_generic_rpc_handlers((Legacy(),))

    async with (
        serving(gateway_of(WithLegacy, max_message_bytes=100)) as served,
        http_server(served.app, http="zttp", http2=True) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as on_http,
    ):
        channel = on_http if over_http else served.channel
        rpc = channel.unary_unary("/legacy.Echo/Unary")
        assert await rpc(bytes(101)).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await rpc(b"short") == b"short"
        assert seen == [b"short"]


class _Ordinary(grpc.aio.ServerInterceptor):
    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        return await continuation(handler_call_details)


NOT_UTF_8: Any = b"/a/\xff"
"""A method name at which the loop in which `grpc.aio` accepts calls ends."""


async def test_a_method_name_that_is_not_utf_8_is_one_that_there_is_not() -> None:
    seen: list[str] = []

    class Seeing(_Ordinary):
        async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
            seen.append(handler_call_details.method)
            return await super().intercept_service(continuation, handler_call_details)

    for interceptors in ((), (Seeing(),)):
        async with serving(gateway_of(EchoService, interceptors=interceptors)) as served:
            for _ in range(2):
                call = served.channel.unary_unary(NOT_UTF_8)(b"")
                assert await call.code() is grpc.StatusCode.UNIMPLEMENTED
                assert await call.details() == "Method not found!"
    assert seen == ["/a/\\xff"] * 2


@pytest.mark.parametrize("interceptors", [(), (_Ordinary(),)])
@pytest.mark.parametrize("so_reuseport", [0, 1])
async def test_a_method_name_that_is_not_utf_8_costs_nobody_a_call(
    interceptors: Any, so_reuseport: int
) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    class Slow(EchoService):
        async def ServerStream(self, request: Any, context: Any) -> Any:
            entered.set()
            await leave.wait()
            yield pb.EchoResponse(text="finished")

    async def call(number: int) -> str:
        return str((await served.stub.Unary(pb.EchoRequest(text=str(number)))).text)

    options = [("grpc.so_reuseport", so_reuseport)]
    gateway = gateway_of(Slow, interceptors=interceptors, options=options)
    async with serving(gateway) as served:
        port = gateway.bound_port
        in_flight = served.stub.ServerStream(pb.EchoRequest())
        reading = asyncio.ensure_future(in_flight.read())
        await entered.wait()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", [("of", "others")]) as channel:
            for _ in range(20):
                odd = [channel.unary_unary(NOT_UTF_8)(b"") for _ in range(5)]
                assert await asyncio.gather(*map(call, range(20))) == list(map(str, range(20)))
                codes = {await call.code() for call in odd}
                assert codes == {grpc.StatusCode.UNIMPLEMENTED}
        assert gateway.bound_port == port
        leave.set()
        assert (await reading).text == "finished"


@pytest.mark.parametrize(
    ("request_of", "path", "end"),
    [
        ("_request_registered_call", "/testing.v1.Echo/Unary", grpc.StatusCode.OK),
        ("_request_call", "/testing.v1.Echo/None", grpc.StatusCode.UNIMPLEMENTED),
    ],
)
async def test_whatever_ends_an_accept_loop_it_begins_again(
    request_of: str,
    path: str,
    end: grpc.StatusCode,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("polyrpc.native.accept_loop._PAUSE_SECONDS", 0)
    gateway = gateway_of(EchoService)
    async with serving(gateway) as served:
        core, failures = gateway.grpc_server._server, iter([MemoryError("full")])
        accept = getattr(core, request_of)

        async def accept_or_fail(*method: bytes) -> Any:
            for failure in failures:
                raise failure
            return await accept(*method)

        setattr(core, request_of, accept_or_fail)
        for _ in range(3):
            assert await served.channel.unary_unary(path)(b"").code() is end
    assert "MemoryError: full" in caplog.text


@pytest.mark.parametrize("grace", [0, None])
async def test_a_server_stops_all_calls_whatever_names_it_was_sent(grace: float | None) -> None:
    entered, cancelled = asyncio.Event(), asyncio.Event()

    class Endless(EchoService):
        async def ServerStream(self, request: Any, context: Any) -> Any:
            entered.set()
            try:
                while not context.cancelled() and grace == 0:
                    await asyncio.Event().wait()
                yield pb.EchoResponse(text="finished")
            finally:
                cancelled.set()

    gateway = gateway_of(Endless)
    async with serving(gateway) as served:
        reading = asyncio.ensure_future(served.stub.ServerStream(pb.EchoRequest()).read())
        await entered.wait()
        await served.channel.unary_unary(NOT_UTF_8)(b"").code()
        odd = [served.channel.unary_unary(NOT_UTF_8)(b"") for _ in range(5)]
        await gateway.shutdown(grace=grace)
        assert gateway.grpc_server is None
        await cancelled.wait()
        for call in odd:
            assert await call.code() is not grpc.StatusCode.OK
        if grace == 0:
            with pytest.raises(grpc.aio.AioRpcError):
                await reading
        else:
            assert (await reading).text == "finished"


async def test_is_secure_needs_credentials() -> None:
    with pytest.raises(ImproperlyConfigured, match="server_credentials"):
        gateway_of(EchoService, is_secure=True)


async def test_a_secure_gateway_speaks_tls() -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    credentials = grpc.ssl_server_credentials(
        [(certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes())]
    )
    gateway = gateway_of(EchoService, is_secure=True, server_credentials=credentials)
    async with serving(gateway):
        trust = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
        async with grpc.aio.secure_channel(f"localhost:{gateway.bound_port}", trust) as channel:
            stub: Any = pb_grpc.EchoStub(channel)
            assert (await stub.Unary(pb.EchoRequest(text="secret"))).text == "secret"
            await channel.unary_unary(NOT_UTF_8)(b"").code()
            assert (await stub.Unary(pb.EchoRequest(text="x"))).text == "x"


@pytest.mark.parametrize(
    ("services", "reason"),
    [
        ([EchoService, EchoService], "answered by two services"),
        ([object()], "__add_to_server__"),
    ],
)
def test_services_that_cannot_be_served_are_refused(services: list[Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ServiceGateway("/grpc", services)


def test_a_path_without_a_slash_is_refused() -> None:
    with pytest.raises(ValueError, match="'grpc'"):
        ServiceGateway("grpc", [EchoService])

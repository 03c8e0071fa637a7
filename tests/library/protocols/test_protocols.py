"""Which protocols a gateway answers, and at which paths."""

from __future__ import annotations

import gzip
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from polyrpc import Interceptor, ServiceGateway
from polyrpc.framework.application import UnchangedLogging
from polyrpc.framework.imports import Application
from polyrpc.health import Health
from polyrpc.reflection import ReflectionService
from protocol_clients import CALLERS, WAYS, envelope, grpc_web_outcome
from serving import EchoService, Served, gateway_of, http_server, serving
from testing.v1 import testing_pb2 as pb
from testing.v1 import testing_pb2_grpc as pb_grpc

ONE = pb.EchoRequest(text="a", count=2).SerializeToString()
PATH = "/testing.v1.Echo/Unary"
REQUESTS = {
    "json": ("/grpc/echoservice/unary", b"{}", "application/json"),
    "grpc-web": (PATH, envelope(ONE), "application/grpc-web"),
    "connect": (PATH, ONE, "application/proto"),
}


async def answered(served: Served) -> set[str]:
    found = set()
    for protocol, (path, body, content_type) in REQUESTS.items():
        headers = {"content-type": content_type}
        response = await served.http.post(path, content=body, headers=headers)
        assert response.status_code in (200, 404, 415)
        if response.status_code == 200:
            found.add(protocol)
    return found


@pytest.mark.parametrize(
    "protocols", [("json",), ("grpc-web",), ("connect", "json"), ("grpc",), (), tuple(REQUESTS)]
)
async def test_a_gateway_answers_the_protocols_that_it_is_given(protocols: Any) -> None:
    async with serving(gateway_of(EchoService, protocols=protocols)) as served:
        assert await answered(served) == set(protocols) - {"grpc"}


async def test_without_routes_there_are_none() -> None:
    async with serving(gateway_of(EchoService, expose_http=False)) as served:
        assert await answered(served) == set()


def test_a_protocol_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="'soap' is none of json, grpc, grpc-web, connect"):
        ServiceGateway("/grpc", [EchoService], protocols=["json", "soap"])


async def test_a_base_path_is_before_the_paths() -> None:
    async with serving(gateway_of(EchoService), base_path="/api") as served:
        for path, status in (("/api" + PATH, 200), (PATH, 404)):
            response = await served.http.post(path, json={"text": "a"})
            assert response.status_code == status


async def test_the_paths_are_not_in_the_openapi_document() -> None:
    app = Application(logging_config=UnchangedLogging(), enable_openapi=True)
    async with serving(gateway_of(EchoService), app=app) as served:
        document = (await served.http.get("/openapi.json")).json()
    assert "/grpc/echoservice/unary" in document["paths"]
    assert not any("testing.v1" in path for path in document["paths"])


@pytest.mark.parametrize("ordinary", [False, True])
async def test_interceptors_are_told_the_protocol(ordinary: bool) -> None:
    seen: list[Any] = []

    class Noting(Interceptor):
        async def intercept(self, call_next: Any, request: Any, context: Any, method: Any) -> Any:
            seen.append((method.protocol, method.full_name, request.text))
            return await call_next(request, context)

    class Ordinary(grpc.aio.ServerInterceptor):
        async def intercept_service(self, continuation: Any, details: Any) -> Any:
            return await continuation(details)

    interceptors = [Noting(), Ordinary()] if ordinary else [Noting()]
    async with serving(gateway_of(EchoService, interceptors=interceptors)) as served:
        for call in CALLERS.values():
            assert (await call(served, "Unary", ["a"])).texts == ["a"]
        await served.http.post("/grpc/echoservice/unary", json={"text": "a"})
    by_asgi = ["grpc", "grpc-web", "grpc-web", "connect", "connect"]
    protocols = ["grpc", *by_asgi, *by_asgi, "http"]
    assert seen == [(protocol, PATH, "a") for protocol in protocols]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_native_services_are_served_too(way: Any) -> None:
    health = Health(["testing.v1.Echo"])
    health.start()
    natives = [health, ReflectionService(["testing.v1.Echo"])]
    async with (
        serving(gateway_of(EchoService, native_services=natives)) as served,
        way(served) as there,
        grpc.aio.insecure_channel(f"127.0.0.1:{there.port}") as channel,
    ):
        stub: Any = health_pb2_grpc.HealthStub(channel)  # typed for synchronous channels only
        response = await stub.Check(health_pb2.HealthCheckRequest(service="testing.v1.Echo"))
        assert response.status == health_pb2.HealthCheckResponse.SERVING
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        health.drain()
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        health.stop()
        assert await watch.code() is grpc.StatusCode.UNAVAILABLE
        reflect: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        (answer,) = [response async for response in reflect.ServerReflectionInfo(iter([asked]))]
        names = [service.name for service in answer.list_services_response.service]
        assert "testing.v1.Echo" in names
        response = await served.http.post(
            "/grpc.health.v1.Health/Check",
            content=envelope(b""),
            headers={"content-type": "application/grpc-web"},
        )
        assert grpc_web_outcome(response).code is grpc.StatusCode.OK
        response = await served.http.post("/grpc.health.v1.Health/Check", json={})
        assert response.json() == {"status": "NOT_SERVING"}
        assert (await served.http.post("/grpc/health/check", json={})).status_code == 404


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_an_rpc_that_there_is_not_is_unimplemented_over_grpc(way: Any) -> None:
    async with (
        serving(gateway_of(EchoService)) as served,
        way(served) as there,
        grpc.aio.insecure_channel(f"127.0.0.1:{there.port}") as channel,
    ):
        call: Any = channel.unary_unary("/testing.v1.Echo/Nothing")(b"")
        assert await call.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_grpc_with_json_over_http_2() -> None:
    async with (
        serving(gateway_of(EchoService)) as served,
        http_server(served.app, http="zttp", http2=True) as port,
        httpx.AsyncClient(http1=False, http2=True) as client,
    ):
        response = await client.post(
            f"http://127.0.0.1:{port}{PATH}",
            content=envelope(b'{"text":"a"}'),
            headers={"content-type": "application/grpc+json", "te": "trailers"},
        )
        assert response.headers["content-type"] == "application/grpc+json"
        assert response.content == envelope(b'{"text":"a","index":0}')


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_a_large_stream_of_large_messages_arrives(way: Any) -> None:
    async with (
        serving(gateway_of(EchoService)) as served,
        way(served) as there,
        grpc.aio.insecure_channel(f"127.0.0.1:{there.port}") as channel,
    ):
        stub: Any = pb_grpc.EchoStub(channel)
        text = "x" * 300_000
        sizes = [
            len(message.text)
            async for message in stub.ServerStream(pb.EchoRequest(text=text, count=20))
        ]
        assert sizes == [300_000] * 20
        assert len((await stub.Unary(pb.EchoRequest(text="y" * 3_000_000))).text) == 3_000_000


async def test_a_request_may_come_in_any_pieces() -> None:
    body = b"".join(
        envelope(gzip.compress(pb.EchoRequest(text=text).SerializeToString()), 1)
        for text in ("one", "two")
    )

    async def pieces() -> Any:
        for byte in body:
            yield bytes([byte])

    async with serving(gateway_of(EchoService)) as served:
        response = await served.http.post(
            "/testing.v1.Echo/ClientStream",
            content=pieces(),
            headers={"content-type": "application/grpc-web", "grpc-encoding": "gzip"},
        )
        assert grpc_web_outcome(response).texts == ["one,two"]

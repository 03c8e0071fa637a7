"""That the service is wired: both listeners, health, metrics, tokens, TLS and the drain."""

from pathlib import Path
from typing import Any

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from {{ cookiecutter.package_name }}.app import create_app
from {{ cookiecutter.package_name }}.gateway import testing

from .conftest import settings_with

PACKAGE = "{{ cookiecutter.package_name }}"


# The types of these stubs know blocking channels alone.
async def health(channel: Any) -> int:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest())
    return int(answer.status)


def reflection(channel: Any, **metadata: str) -> Any:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    return stub.ServerReflectionInfo(metadata=list(metadata.items()))


async def test_both_listeners_serve(service: testing.Server, http: httpx.AsyncClient) -> None:
    async with testing.channel(service) as channel:
        assert await health(channel) == health_pb2.HealthCheckResponse.SERVING
    assert (await http.get("/readyz")).status_code == 200
    assert "grpc_server_handled_total" in (await http.get("/metrics")).text
    assert (await http.get("/openapi.json")).json()["info"]["title"] == "{{ cookiecutter.project_slug }}"


async def test_strangers_are_refused_where_tokens_are_asked_for() -> None:
    settings = settings_with(auth_tokens="secret")
    known = {"authorization": "Bearer secret"}
    async with testing.Server(create_app(settings)) as service:
        async with testing.http_client(service) as http:
            assert (await http.get("/openapi.json")).status_code == 401
            assert (await http.get("/openapi.json", headers=known)).status_code == 200
        async with testing.channel(service) as channel:
            call = reflection(channel, **known)
            await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
            assert (await call.read()).list_services_response.service
            # Nothing is written: a client that writes while it is refused may lose the status.
            assert await reflection(channel).code() is grpc.StatusCode.UNAUTHENTICATED


async def test_tls_on_both_listeners(tmp_path: Path) -> None:
    certificates = testing.Certificates(tmp_path)
    settings = settings_with(
        tls_cert_file=certificates.server,
        tls_key_file=certificates.server_key,
        tls_client_ca_file=certificates.ca,
    )
    async with testing.Server(create_app(settings)) as service:
        async with testing.channel(service, certificates) as channel:
            assert await health(channel) == health_pb2.HealthCheckResponse.SERVING
        async with testing.http_client(service, certificates) as http:
            assert (await http.get("/healthz")).status_code == 200


async def test_a_stop_drains_first() -> None:
    async with testing.process(PACKAGE, settings_with(drain_seconds=60)) as process:
        url = f"http://127.0.0.1:{process.http_port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            process.stop()
            await process.logged("draining")
            assert (await http.get("/readyz")).status_code == 503
            assert (await http.get("/healthz")).status_code == 200
            process.stop()  # at once
        assert await process.ended() == 0
{% if cookiecutter.library == 'vendored' %}


def test_the_vendored_library_is_as_it_came() -> None:
    assert not testing.changes(), testing.changes()
{% endif %}

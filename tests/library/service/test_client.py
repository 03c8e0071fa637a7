"""The client helper."""

from __future__ import annotations

import asyncio
import math
import os
import socket
import sys
from time import monotonic
from typing import Any

import grpc
import httpx
import pytest
from greeter.app import GreeterService, serve
from greeter.settings import Settings
from greeter_service.v1 import greeter_pb2 as pb
from greeter_service.v1 import greeter_pb2_grpc as pb_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from polyrpc.client import channel
from polyrpc.process.server import Server
from polyrpc.testing import Certificates


async def test_a_call_within_its_deadline_succeeds_and_the_server_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[float | None] = []

    async def say_hello(_self: object, _request: object, context: Any) -> pb.SayHelloResponse:
        told.append(context.time_remaining())
        return pb.SayHelloResponse(message="in time")

    monkeypatch.setattr(GreeterService, "SayHello", say_hello)
    async with (
        serve(Settings(http_port=0, grpc_port=0)) as service,
        channel(f"127.0.0.1:{service.grpc_port}", deadline=20) as grpc_channel,
    ):
        stub = pb_grpc.GreeterStub(grpc_channel)
        for timeout in (None, 60, 10):
            response = await stub.SayHello(pb.SayHelloRequest(), timeout=timeout)
            assert response.message == "in time"
    for time, most in zip(told, (20, 20, 10), strict=True):
        assert time is not None
        assert most - 5 < time < most + 1  # On the wire it is rounded up.


async def test_its_deadline_holds_for_every_call(service: Server) -> None:
    async with channel(f"127.0.0.1:{service.grpc_port}", deadline=0.3) as grpc_channel:
        stub = pb_grpc.GreeterStub(grpc_channel)
        assert (await stub.SayHello(pb.SayHelloRequest(name="World"))).message == "Hello, World!"
        start = monotonic()
        assert await stub.Chat().code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert monotonic() - start > 0.2


async def test_it_waits_as_long_for_a_server_that_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        async with channel(f"127.0.0.1:{port}", deadline=0.3) as grpc_channel:
            stub = pb_grpc.GreeterStub(grpc_channel)
            start = monotonic()
            call = stub.SayHello(pb.SayHelloRequest())
            assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert monotonic() - start > 0.2


async def test_a_call_made_for_another_one_goes_on_with_what_that_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[dict[str, object], float]] = []

    async def say_hello(_self: object, request: Any, context: Any) -> pb.SayHelloResponse:
        if request.name == "end":
            seen.append((dict(context.invocation_metadata()), context.time_remaining()))
            return pb.SayHelloResponse()
        stub = pb_grpc.GreeterStub(grpc_channel)
        return await stub.SayHello(pb.SayHelloRequest(name="end"))

    monkeypatch.setattr(GreeterService, "SayHello", say_hello)
    metadata = {"x-request-id": "abc", "traceparent": f"00-{1:032x}-{2:016x}-01"}
    async with (
        serve(Settings(http_port=0, grpc_port=0)) as service,
        channel(f"127.0.0.1:{service.grpc_port}", deadline=60) as grpc_channel,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}") as http,
    ):
        await pb_grpc.GreeterStub(grpc_channel).SayHello(
            pb.SayHelloRequest(name="relay"), timeout=20, metadata=tuple(metadata.items())
        )
        await http.post(
            "/grpc/greeterservice/sayhello",
            json={"name": "relay"},
            headers={**metadata, "grpc-timeout": "20S"},
        )
    assert len(seen) == 2
    for received, remaining in seen:
        assert received.items() >= metadata.items()
        assert remaining < 21  # On the wire it is rounded up.


async def test_it_tries_again_until_the_service_is_there() -> None:
    service = serve(Settings(http_port=0, grpc_port=0))
    await service.start()
    port = service.grpc_port
    async with channel(f"127.0.0.1:{port}", attempts=5) as grpc_channel:
        stub = pb_grpc.GreeterStub(grpc_channel)
        await stub.SayHello(pb.SayHelloRequest(name="World"))
        await service.stop()
        call = stub.SayHello(pb.SayHelloRequest(name="World"))
        async with serve(Settings(http_port=0, grpc_port=port)):
            assert (await call).message == "Hello, World!"


async def test_attempts_share_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []

    async def say_hello(_self: object, _request: object, context: Any) -> None:
        told.append(context.time_remaining())
        await context.abort(grpc.StatusCode.UNAVAILABLE, "not now")

    monkeypatch.setattr(GreeterService, "SayHello", say_hello)
    async with (
        serve(Settings(http_port=0, grpc_port=0)) as service,
        channel(f"127.0.0.1:{service.grpc_port}", deadline=20, attempts=3) as patient,
        channel(f"127.0.0.1:{service.grpc_port}", deadline=1, attempts=5) as hasty,
    ):
        call = pb_grpc.GreeterStub(patient).SayHello(pb.SayHelloRequest())
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
        assert len(told) == 3
        assert max(told) < 21  # On the wire it is rounded up.
        # The waits before five attempts are 1.2 seconds at least: its time is over before them.
        call = pb_grpc.GreeterStub(hasty).SayHello(pb.SayHelloRequest())
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert 0 < len(told) - 3 < 5


async def test_calls_are_spread_over_the_addresses_of_a_name_whatever_the_stubs() -> None:
    async with (
        serve(Settings(http_port=0, grpc_port=0)) as one,
        serve(Settings(http_port=0, grpc_port=0)) as two,
    ):
        addresses = ",".join(f"127.0.0.1:{service.grpc_port}" for service in (one, two))
        async with (
            channel(f"ipv4:{addresses}", deadline=20) as grpc_channel,
            httpx.AsyncClient() as http,
        ):
            # The types of these stubs know blocking channels alone.
            stub: Any = health_pb2_grpc.HealthStub(grpc_channel)
            waiting = {f"http://127.0.0.1:{service.http_port}/metrics" for service in (one, two)}
            while waiting:
                answer = await stub.Check(health_pb2.HealthCheckRequest())
                assert answer.status == health_pb2.HealthCheckResponse.SERVING
                for url in sorted(waiting):
                    if 'grpc_method="Check"' in (await http.get(url)).text:
                        waiting.remove(url)


async def test_mutual_tls(certificates: Certificates) -> None:
    settings = Settings(
        http_port=0,
        grpc_port=0,
        tls_cert_file=certificates.server,
        tls_key_file=certificates.server_key,
        tls_client_ca_file=certificates.ca,
    )
    async with (
        serve(settings) as service,
        channel(
            f"localhost:{service.grpc_port}",
            ca_file=certificates.ca,
            cert_file=certificates.client,
            key_file=certificates.client_key,
        ) as grpc_channel,
    ):
        stub = pb_grpc.GreeterStub(grpc_channel)
        assert (await stub.SayHello(pb.SayHelloRequest(name="TLS"))).message == "Hello, TLS!"


# gRPC reads its own list of authorities once in a process.
CALL_WITH_TLS = """
import asyncio, sys
import grpc
from polyrpc import channel

async def main():
    async with channel(sys.argv[1], tls=True, deadline=60, attempts=1) as grpc_channel:
        call = grpc_channel.unary_unary("/grpc.health.v1.Health/Check")(b"")
        print((await call.code()).name)

asyncio.run(main())
"""


async def test_tls_with_a_public_certificate_needs_no_file(certificates: Certificates) -> None:
    settings = Settings(
        http_port=0,
        grpc_port=0,
        tls_cert_file=certificates.server,
        tls_key_file=certificates.server_key,
    )

    async def called(**variables: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CALL_WITH_TLS, f"localhost:{service.grpc_port}"),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,  # gRPC's own word
        )
        said, _ = await process.communicate()
        return said.decode()

    async with serve(settings) as service:
        trusting = await called(GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=str(certificates.ca))
        assert trusting.splitlines()[-1].startswith("OK")
        # Nobody else vouches for a certificate that was made here.
        stranger = await called()
        assert stranger.splitlines()[-1].startswith("UNAVAILABLE")
        assert "CERTIFICATE_VERIFY_FAILED" in stranger


async def test_the_longest_deadline_is_none_to_speak_of(service: Server) -> None:
    async with channel(f"127.0.0.1:{service.grpc_port}", deadline=1e9) as grpc_channel:
        answer = await pb_grpc.GreeterStub(grpc_channel).SayHello(pb.SayHelloRequest(name="Ada"))
    assert answer.message == "Hello, Ada!"


@pytest.mark.parametrize("deadline", [0, -1, math.nan, math.inf, 1e10])
async def test_a_deadline_that_is_none_is_refused(deadline: float) -> None:
    with pytest.raises(ValueError, match="a positive number of seconds, None for none: "):
        async with channel("127.0.0.1:1", deadline=deadline):
            pass


@pytest.mark.parametrize("without", ["key", "TLS"])
def test_a_certificate_needs_its_key_and_tls(certificates: Certificates, without: str) -> None:
    files = {"ca_file": certificates.ca, "cert_file": certificates.client}
    if without == "TLS":
        files = {"cert_file": certificates.client, "key_file": certificates.client_key}
    with pytest.raises(ValueError, match="needs its key, and ca_file or tls=True"):
        channel("localhost:1", **files)

"""What a service does around calls, it does by every protocol of its HTTP listener."""

from __future__ import annotations

import json
import logging
from typing import Any

import grpc
import httpx
import pytest
from greeter.settings import Settings
from greeter_service.v1 import greeter_pb2 as pb
from greeter_service.v1 import greeter_pb2_grpc as pb_grpc
from protocol_clients import CONNECT_CODES, envelope, envelopes
from pydantic import SecretStr

TOKEN = "bXktdG9rZW4="
SERVICE = "/greeter_service.v1.Greeter"
NAME = pb.SayHelloRequest(name="Ada").SerializeToString()
UNARY = {
    "grpc-web": ("application/grpc-web", envelope(NAME)),
    "connect": ("application/proto", NAME),
}
STREAMS = {"grpc-web": "application/grpc-web", "connect": "application/connect+proto"}


def code_of(response: httpx.Response) -> str:
    """The status of a call, as its protocol tells it."""
    content_type = response.headers["content-type"]
    if content_type == "application/json":
        return CONNECT_CODES[response.json()["code"]].name
    if content_type == "application/proto":
        return "OK"
    *_, (_, end) = envelopes(response.content)
    if "connect" in content_type:
        error = json.loads(end).get("error")
        return CONNECT_CODES[error["code"]].name if error else "OK"
    trailers = dict(line.split(": ", 1) for line in end.decode().splitlines())
    return {code.value[0]: code.name for code in grpc.StatusCode}[int(trailers["grpc-status"])]


async def say_hello(http: httpx.AsyncClient, protocol: str, **headers: str) -> httpx.Response:
    content_type, body = UNARY[protocol]
    return await http.post(
        f"{SERVICE}/SayHello",
        content=body,
        headers={"content-type": content_type, "accept-encoding": "identity", **headers},
    )


async def chat(http: httpx.AsyncClient, protocol: str, **headers: str) -> httpx.Response:
    headers = {"content-type": STREAMS[protocol], **headers}
    return await http.post(f"{SERVICE}/Chat", content=envelope(NAME), headers=headers)


EVERY = pytest.mark.parametrize("protocol", UNARY)


@EVERY
async def test_the_request_id_is_in_the_log_and_in_the_headers(
    http: httpx.AsyncClient, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "polyrpc"):
        response = await say_hello(http, protocol, **{"x-request-id": "id-1"})
        assert code_of(response) == "OK"
        assert response.headers["x-request-id"] == "id-1"
        (record,) = [record for record in caplog.records if record.getMessage() == "call"]
    fields: Any = vars(record)
    assert (fields["protocol"], fields["method"], fields["code"], fields["request_id"]) == (
        protocol,
        "SayHello",
        "OK",
        "id-1",
    )


@EVERY
async def test_metrics_are_labelled_with_the_protocol(
    http: httpx.AsyncClient, protocol: str
) -> None:
    for call in (say_hello, chat):
        assert code_of(await call(http, protocol)) == "OK"
    metrics = (await http.get("/metrics")).text
    for kind, method in (("unary", "SayHello"), ("bidi_stream", "Chat")):
        (line,) = [
            line
            for line in metrics.splitlines()
            if line.startswith("grpc_server_started_total")
            and f'grpc_method="{method}"' in line
            and f'protocol="{protocol}"' in line
        ]
        assert f'grpc_type="{kind}"' in line
        assert line.endswith(" 1.0")


@pytest.mark.parametrize(
    "settings", [Settings(http_port=0, grpc_port=0, auth_tokens=SecretStr(TOKEN))]
)
class TestWithTokens:
    @EVERY
    async def test_strangers_are_refused(self, http: httpx.AsyncClient, protocol: str) -> None:
        response = await say_hello(http, protocol)
        assert code_of(response) == "UNAUTHENTICATED"
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.status_code == (401 if protocol == "connect" else 200)
        refused = await chat(http, protocol)
        assert (refused.status_code, code_of(refused)) == (200, "UNAUTHENTICATED")

    @EVERY
    async def test_a_token_opens(self, http: httpx.AsyncClient, protocol: str) -> None:
        authorization = f"Bearer {TOKEN}"
        assert code_of(await say_hello(http, protocol, authorization=authorization)) == "OK"
        assert code_of(await chat(http, protocol, authorization=authorization)) == "OK"

    @EVERY
    async def test_a_stranger_learns_nothing_of_a_wrong_message(
        self, http: httpx.AsyncClient, protocol: str
    ) -> None:
        content_type, _ = UNARY[protocol]
        response = await http.post(
            f"{SERVICE}/SayHello",
            content=b"\0\xff\xff\xff\xff\xff",
            headers={"content-type": content_type, "grpc-timeout": "x", "connect-timeout-ms": "x"},
        )
        assert code_of(response) == "UNAUTHENTICATED"

    @EVERY
    async def test_a_stranger_does_not_learn_which_rpcs_there_are(
        self, http: httpx.AsyncClient, protocol: str
    ) -> None:
        content_type, body = UNARY[protocol]
        headers = {"content-type": content_type, "connect-protocol-version": "1"}
        path = f"{SERVICE}/Nothing"
        assert code_of(await http.post(path, content=body, headers=headers)) == "UNAUTHENTICATED"
        headers["authorization"] = f"Bearer {TOKEN}"
        assert code_of(await http.post(path, content=body, headers=headers)) == "UNIMPLEMENTED"


@pytest.mark.parametrize("settings", [Settings(http_port=0, grpc_port=0, max_concurrent_rpcs=1)])
@EVERY
async def test_a_call_too_many_is_refused(
    http: httpx.AsyncClient, stub: pb_grpc.GreeterAsyncStub, protocol: str
) -> None:
    native = stub.Chat()
    await native.write(pb.ChatRequest(name="Ada"))
    await native.read()
    assert code_of(await say_hello(http, protocol)) == "RESOURCE_EXHAUSTED"
    refused = await chat(http, protocol)
    assert (refused.status_code, code_of(refused)) == (200, "RESOURCE_EXHAUSTED")
    native.cancel()


async def test_grpc_is_refused_over_http_1(http: httpx.AsyncClient) -> None:
    response = await http.post(
        f"{SERVICE}/SayHello",
        content=envelope(NAME),
        headers={"content-type": "application/grpc", "te": "trailers"},
    )
    assert response.status_code == 415
    assert "HTTP/2" in response.json()["detail"]

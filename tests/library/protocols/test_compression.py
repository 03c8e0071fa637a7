"""Who gets compressed responses, and what may come compressed."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from protocol_clients import WAYS, connect_stream_outcome, envelope, envelopes, grpc_web_outcome
from serving import EchoService, Served, gateway_of, serving
from testing.v1 import testing_pb2 as pb
from testing.v1 import testing_pb2_grpc as pb_grpc

TEXT = "a" * 500
ONE = pb.EchoRequest(text=TEXT, count=2).SerializeToString()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving(gateway_of(EchoService)) as served:
        yield served


async def post(
    served: Served, content_type: str, rpc: str, body: bytes, headers: dict[str, str]
) -> Any:
    request = served.http.build_request(
        "POST",
        f"/testing.v1.Echo/{rpc}",
        content=body,
        headers={"content-type": content_type, **headers},
    )
    if "accept-encoding" not in headers:
        del request.headers["accept-encoding"]
    return await served.http.send(request)


@pytest.mark.parametrize(
    ("headers", "compressed"),
    [
        ({}, False),
        ({"accept-encoding": "gzip"}, True),
        ({"accept-encoding": "br, gzip"}, True),
        ({"accept-encoding": "GZIP;q=0.5"}, True),
        ({"accept-encoding": "gzip;q=0"}, False),
        ({"accept-encoding": "gzip;q=0.000, identity"}, False),
        ({"accept-encoding": "identity"}, False),
        ({"accept-encoding": "x-gzip"}, False),
        ({"content-encoding": "gzip"}, True),
        ({"content-encoding": "gzip", "accept-encoding": "identity"}, False),
    ],
)
async def test_a_unary_caller_of_connect_gets_what_it_accepts(
    served: Served, headers: dict[str, str], compressed: bool
) -> None:
    body = gzip.compress(ONE) if "content-encoding" in headers else ONE
    response = await post(served, "application/proto", "Unary", body, headers)
    assert response.headers.get("content-encoding") == ("gzip" if compressed else None)
    assert pb.EchoResponse.FromString(response.content).text == TEXT
    assert (len(response.content) == int(response.headers["content-length"])) is not compressed


async def test_an_error_of_connect_is_compressed_too(served: Served) -> None:
    headers = {"accept-encoding": "gzip"}
    response = await post(served, "application/proto", "Unary", b"\xff", headers)
    assert (response.status_code, response.headers["content-encoding"]) == (400, "gzip")
    assert response.json()["code"] == "invalid_argument"


@pytest.mark.parametrize(
    ("headers", "compressed"),
    [
        ({}, False),
        ({"accept-encoding": "gzip"}, False),
        ({"connect-accept-encoding": "gzip"}, True),
        ({"connect-content-encoding": "gzip"}, True),
        ({"connect-content-encoding": "gzip", "connect-accept-encoding": "identity"}, False),
    ],
)
async def test_a_stream_of_connect_gets_what_it_accepts(
    served: Served, headers: dict[str, str], compressed: bool
) -> None:
    is_sent = "connect-content-encoding" in headers
    body = envelope(gzip.compress(ONE), 1) if is_sent else envelope(ONE)
    response = await post(served, "application/connect+proto", "ServerStream", body, headers)
    assert connect_stream_outcome(response).texts == [TEXT, TEXT]
    flags = [flags for flags, _ in envelopes(response.content)]
    assert flags == ([1, 1, 2] if compressed else [0, 0, 2])
    told = response.headers.get("connect-content-encoding")
    assert told == ("gzip" if compressed else None)


@pytest.mark.parametrize(
    ("headers", "compressed"),
    [
        ({}, False),
        ({"grpc-accept-encoding": "gzip"}, False),
        ({"grpc-encoding": "gzip"}, True),
        ({"grpc-encoding": "gzip", "grpc-accept-encoding": "identity,gzip"}, True),
        ({"grpc-encoding": "gzip", "grpc-accept-encoding": "identity"}, False),
    ],
)
async def test_a_caller_of_grpc_web_gets_what_it_sends(
    served: Served, headers: dict[str, str], compressed: bool
) -> None:
    is_sent = "grpc-encoding" in headers
    body = envelope(gzip.compress(ONE), 1) if is_sent else envelope(ONE)
    response = await post(served, "application/grpc-web", "ServerStream", body, headers)
    assert grpc_web_outcome(response).texts == [TEXT, TEXT]
    flags = [flags for flags, _ in envelopes(response.content)]
    assert flags == ([1, 1, 0x80] if compressed else [0, 0, 0x80])
    assert response.headers["grpc-accept-encoding"] == "gzip, identity"


async def test_a_message_of_a_compressed_request_need_not_be(served: Served) -> None:
    body = envelope(ONE) + envelope(gzip.compress(ONE), 1) + envelope(b"", 1)
    for content_type, header in (
        ("application/grpc-web", "grpc-encoding"),
        ("application/connect+proto", "connect-content-encoding"),
    ):
        response = await post(served, content_type, "Bidi", body, {header: "gzip"})
        outcome_of = connect_stream_outcome if "connect" in content_type else grpc_web_outcome
        assert outcome_of(response).texts == [TEXT, TEXT, ""]


async def test_a_servicer_chooses_what_is_compressed() -> None:
    class Choosing(EchoService):
        async def ServerStream(self, request: Any, context: Any) -> AsyncIterator[Any]:
            context.set_compression(
                grpc.Compression.Gzip if request.count else grpc.Compression.NoCompression
            )
            for index in range(3):
                if index == 1:
                    context.disable_next_message_compression()
                yield pb.EchoResponse(text=request.text)

    async with serving(gateway_of(Choosing)) as served:
        for count, headers, flags in (
            (1, {"grpc-accept-encoding": "gzip"}, [1, 0, 1, 0x80]),
            (1, {}, [0, 0, 0, 0x80]),
            (0, {"grpc-encoding": "gzip"}, [0, 0, 0, 0x80]),
        ):
            body = envelope(pb.EchoRequest(text=TEXT, count=count).SerializeToString())
            response = await post(served, "application/grpc-web", "ServerStream", body, headers)
            assert [flags for flags, _ in envelopes(response.content)] == flags


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("rpc", ["Unary", "Bidi"])
async def test_the_client_of_grpc_compresses(rpc: str, way: Any) -> None:
    async with (
        serving(gateway_of(EchoService)) as served,
        way(served) as there,
        grpc.aio.insecure_channel(
            f"127.0.0.1:{there.port}", compression=grpc.Compression.Gzip
        ) as channel,
    ):
        stub: Any = pb_grpc.EchoStub(channel)
        request = pb.EchoRequest(text=TEXT)
        call = stub.Unary(request) if rpc == "Unary" else stub.Bidi(iter([request]))
        texts = [(await call).text] if rpc == "Unary" else [message.text async for message in call]
        assert texts == [TEXT]
        assert dict(await call.initial_metadata()).get("grpc-encoding") in (None, "gzip")

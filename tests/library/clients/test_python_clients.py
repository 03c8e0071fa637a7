"""Connect's Python client and `grpc.aio` against the HTTP listener, as in JavaScript."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from typing import Any

import grpc
import pytest
from connectrpc.client import ConnectClient, ResponseMetadata
from connectrpc.code import Code
from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_json_codec
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.protocol import ProtocolType
from expected import CLIENT_STREAMS, EXPECTED, FULL_DUPLEX, alike
from grpc_status import rpc_status
from judged import TOKEN, JudgedService, served
from pyqwest import Client, HTTPTransport, HTTPVersion
from python_cases import METHODS, Answer, Call, judge, only

SERVICE = "greeter_service.v1.Greeter"
METADATA = {"authorization": f"Bearer {TOKEN}"}
STREAMS = {
    "WatchGreetings": StreamType.SERVER_STREAM,
    "CollectNames": StreamType.CLIENT_STREAM,
    "Chat": StreamType.BIDI_STREAM,
}
KINDS = {
    StreamType.UNARY: "unary_unary",
    StreamType.SERVER_STREAM: "unary_stream",
    StreamType.CLIENT_STREAM: "stream_unary",
    StreamType.BIDI_STREAM: "stream_stream",
}
CODECS = {"proto": google_protobuf_binary_codec, "json": google_protobuf_json_codec}


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    ("protocol", "version"),
    [
        pytest.param(ProtocolType.CONNECT, HTTPVersion.HTTP1, id="Connect-1.1"),
        pytest.param(ProtocolType.CONNECT, HTTPVersion.HTTP2, id="Connect-2"),
        pytest.param(ProtocolType.GRPC_WEB, HTTPVersion.HTTP1, id="gRPC-Web-1.1"),
        pytest.param(ProtocolType.GRPC_WEB, HTTPVersion.HTTP2, id="gRPC-Web-2"),
        pytest.param(ProtocolType.GRPC, HTTPVersion.HTTP2, id="gRPC-2"),
    ],
)
async def test_the_client_of_connect(
    protocol: ProtocolType, version: HTTPVersion, codec: str
) -> None:
    servicer = JudgedService()
    full_duplex = version == HTTPVersion.HTTP2
    expected = EXPECTED | CLIENT_STREAMS | (FULL_DUPLEX if full_duplex else {})
    async with served(servicer, http2=True) as server, HTTPTransport(http_version=version) as http:
        url = f"http://127.0.0.1:{server.http_port}"
        client = ConnectClient(
            url, codec=CODECS[codec](), protocol=protocol, http_client=Client(http)
        )
        seen = await judge(_by_connect(client), full_duplex=full_duplex)
        assert alike(seen) == expected
        await _until_cancelled(servicer)


@pytest.mark.parametrize("listener", ["http_port", "grpc_port"])
async def test_grpc_aio(listener: str) -> None:
    servicer = JudgedService()
    async with (
        served(servicer, http2=True) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{getattr(server, listener)}") as channel,
    ):
        seen = await judge(_by_grpc(channel), full_duplex=True)
        assert alike(seen) == EXPECTED | CLIENT_STREAMS | FULL_DUPLEX
        await _until_cancelled(servicer)


async def _until_cancelled(servicer: JudgedService) -> None:
    async with asyncio.timeout(20):
        while not servicer.cancelled:  # noqa: ASYNC110 - the servicer tells by nothing else
            await asyncio.sleep(0.01)


def _by_connect(client: ConnectClient) -> Call:
    async def call(
        name: str,
        requests: AsyncIterator[Any],
        header: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the deadline of the RPC
        answer: Answer | None = None,
    ) -> Answer:
        answer = answer or Answer()
        kind = STREAMS.get(name, StreamType.UNARY)
        options: Any = {
            "method": MethodInfo(
                name=name,
                service_name=SERVICE,
                input=METHODS[name][0],
                output=METHODS[name][1],
                idempotency_level=IdempotencyLevel.UNKNOWN,
                stream_type=kind,
            ),
            "headers": {**METADATA, **(header or {})},
            "timeout_ms": None if timeout is None else int(timeout * 1000),
        }
        with ResponseMetadata() as metadata:
            try:
                if kind is StreamType.UNARY:
                    response = await client.execute_unary(request=await only(requests), **options)
                    answer.take(response.message)
                elif kind is StreamType.CLIENT_STREAM:
                    response = await client.execute_client_stream(request=requests, **options)
                    answer.take(response.message)
                else:
                    if kind is StreamType.SERVER_STREAM:
                        stream = client.execute_server_stream(
                            request=await only(requests), **options
                        )
                    else:
                        stream = client.execute_bidi_stream(request=requests, **options)
                    async for response in stream:
                        answer.take(response.message)
            except ConnectError as error:
                answer.error = {
                    "code": _number(error.code),
                    "message": error.message,
                    "details": [
                        [detail.type_name, base64.b64encode(detail.message_bytes).decode()]
                        for detail in error.details
                    ],
                }
            answer.header, answer.trailer = metadata.headers, metadata.trailers
        return answer

    return call


def _number(code: Code) -> int:
    name = code.name.replace("CANCELED", "CANCELLED")
    number: int = grpc.StatusCode[name].value[0]
    return number


def _by_grpc(channel: grpc.aio.Channel) -> Call:
    async def call(
        name: str,
        requests: AsyncIterator[Any],
        header: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the deadline of the RPC
        answer: Answer | None = None,
    ) -> Answer:
        answer = answer or Answer()
        request_type, response_type = METHODS[name]
        kind = STREAMS.get(name, StreamType.UNARY)
        method: Any = getattr(channel, KINDS[kind])(
            f"/{SERVICE}/{name}",
            request_serializer=request_type.SerializeToString,
            response_deserializer=response_type.FromString,
        )
        takes_one = kind in (StreamType.UNARY, StreamType.SERVER_STREAM)
        metadata = {**METADATA, **(header or {})}
        running = method(
            await only(requests) if takes_one else requests,
            metadata=list(metadata.items()),
            timeout=timeout,
        )
        try:
            if kind in (StreamType.UNARY, StreamType.CLIENT_STREAM):
                answer.take((await running).message)
            else:
                async for response in running:
                    answer.take(response.message)
        except grpc.aio.AioRpcError as error:
            status = rpc_status.from_call(error)  # type: ignore[arg-type]  # typed for grpc.Call
            details = [] if status is None else status.details
            answer.error = {
                "code": error.code().value[0],
                "message": error.details(),
                "details": [
                    [detail.TypeName(), base64.b64encode(detail.value).decode()]
                    for detail in details
                ],
            }
        answer.header = _plain(await running.initial_metadata())
        answer.trailer = _plain(await running.trailing_metadata())
        return answer

    return call


def _plain(metadata: Any) -> Mapping[str, str]:
    return {
        name: base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for name, value in metadata
    }

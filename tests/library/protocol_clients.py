"""Clients of each protocol on the HTTP port, written by the specifications and nothing else."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

import grpc
import httpx
import wire
from google.protobuf import json_format
from google.rpc import status_pb2
from serving import Served, http_client, http_server
from testing.v1 import testing_pb2 as pb
from testing.v1 import testing_pb2_grpc as pb_grpc

STREAMED_REQUESTS = ("ClientStream", "Bidi")
STREAMED_RESPONSES = ("ServerStream", "Bidi")
CONNECT_CODES = {
    "canceled" if code is grpc.StatusCode.CANCELLED else code.name.lower(): code
    for code in grpc.StatusCode
}
NUMBERS = {code.value[0]: code for code in grpc.StatusCode}
RICH = "grpc-status-details-bin"
LOST = "Internal error from Core"
"""What a client of `grpc.aio` says in place of the status of a call that ended while it wrote."""
PAUSES_SECONDS = (0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
"""How long it waits before it writes, each time that it has lost the status."""


@dataclass
class Outcome:
    """What a caller sees of a call, whichever protocol it used."""

    texts: list[str] = field(default_factory=list)
    code: grpc.StatusCode = grpc.StatusCode.OK
    details: str = ""
    initial: dict[str, Any] = field(default_factory=dict)
    trailing: dict[str, Any] = field(default_factory=dict)
    rich: list[tuple[str, bytes]] = field(default_factory=list)


Caller = Callable[[Served, str, list[str]], Awaitable[Outcome]]


def envelope(data: bytes, flags: int = 0) -> bytes:
    return struct.pack(">BI", flags, len(data)) + data


def envelopes(body: bytes) -> Iterator[tuple[int, bytes]]:
    """The envelopes of a whole body."""
    while body:
        flags, length = struct.unpack(">BI", body[:5])
        assert len(body) >= 5 + length, "the body ends inside an envelope"
        yield flags, body[5 : 5 + length]
        body = body[5 + length :]


def unpadded(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def from_base64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))


def serialized(messages: Iterable[Any], codec: str) -> list[bytes]:
    if codec == "proto":
        return [message.SerializeToString() for message in messages]
    return [json_format.MessageToJson(message).encode() for message in messages]


def text_of(data: bytes, codec: str) -> str:
    if codec == "proto":
        return pb.EchoResponse.FromString(data).text
    return json_format.Parse(data, pb.EchoResponse()).text


def rich_details(status: bytes) -> list[tuple[str, bytes]]:
    details = status_pb2.Status.FromString(status).details
    return [(detail.type_url.rpartition("/")[2], detail.value) for detail in details]


def requests_of(rpc: str, texts: list[str]) -> list[Any]:
    requests = [pb.EchoRequest(text=text, count=2) for text in texts]
    return requests if rpc in STREAMED_REQUESTS else requests[:1]


SENT = {"x-sent": "1", "x-bin": "AP8"}


async def native(served: Served, rpc: str, texts: list[str]) -> Outcome:
    return await by_grpc(served.stub, rpc, texts)


async def grpc_over_http(served: Served, rpc: str, texts: list[str]) -> Outcome:
    """The client of `grpc.aio`, on an HTTP listener that speaks HTTP/2."""
    async with (
        by_asgi(served) as there,
        grpc.aio.insecure_channel(f"127.0.0.1:{there.port}") as channel,
    ):
        return await by_grpc(pb_grpc.EchoStub(channel), rpc, texts)


@asynccontextmanager
async def by_asgi(served: Served) -> AsyncIterator[Served]:
    """The same by uvicorn's HTTP/2."""
    async with (
        http_server(served.app, http="zttp", http2=True) as port,
        http_client(port, http1=False, http2=True, timeout=30) as http,
    ):
        yield replace(served, http=http, port=port)


@asynccontextmanager
async def straight(served: Served) -> AsyncIterator[Served]:
    """The same by the service's own server, which answers on streams of HTTP/2, without ASGI."""
    assert served.app.straight_answers() is not None
    async with (
        wire.serving(served.app, http2=True) as port,
        http_client(port, http1=False, http2=True, timeout=30) as http,
    ):
        yield replace(served, http=http, port=port)


async def grpc_straight(served: Served, rpc: str, texts: list[str]) -> Outcome:
    async with (
        straight(served) as there,
        grpc.aio.insecure_channel(f"127.0.0.1:{there.port}") as channel,
    ):
        return await by_grpc(pb_grpc.EchoStub(channel), rpc, texts)


def straightly(call: Caller) -> Caller:
    """The same call, by the service's own server."""

    async def call_straight(served: Served, rpc: str, texts: list[str]) -> Outcome:
        async with straight(served) as there:
            return await call(there, rpc, texts)

    return call_straight


async def by_grpc(stub: Any, rpc: str, texts: list[str]) -> Outcome:
    for pause in PAUSES_SECONDS:
        outcome = await by_grpc_once(stub, rpc, texts, pause)
        if outcome.details != LOST:
            break
    return outcome


async def by_grpc_once(stub: Any, rpc: str, texts: list[str], pause: float) -> Outcome:
    async def later() -> AsyncIterator[Any]:
        await asyncio.sleep(pause)
        for request in requests:
            yield request

    outcome = Outcome()
    requests = requests_of(rpc, texts)
    call = getattr(stub, rpc)(
        later() if rpc in STREAMED_REQUESTS else requests[0],
        metadata=[("x-sent", "1"), ("x-bin", b"\0\xff")],
    )
    try:
        if rpc in STREAMED_RESPONSES:
            async for response in call:
                outcome.texts.append(response.text)
        else:
            outcome.texts.append((await call).text)
    except grpc.aio.AioRpcError:
        pass
    outcome.code = await call.code()
    outcome.details = await call.details() or ""
    outcome.initial = dict(await call.initial_metadata())
    outcome.trailing = dict(await call.trailing_metadata())
    if RICH in outcome.trailing:
        outcome.rich = rich_details(outcome.trailing[RICH])
    return outcome


async def grpc_web(served: Served, rpc: str, texts: list[str]) -> Outcome:
    return await by_grpc_web(served, rpc, requests_of(rpc, texts))


async def grpc_web_text(served: Served, rpc: str, texts: list[str]) -> Outcome:
    return await by_grpc_web(served, rpc, requests_of(rpc, texts), is_text=True)


async def by_grpc_web(
    served: Served,
    rpc: str,
    requests: list[Any],
    *,
    codec: str = "proto",
    is_text: bool = False,
    headers: dict[str, str] | None = None,
) -> Outcome:
    body = b"".join(map(envelope, serialized(requests, codec)))
    media_type = f"application/grpc-web{'-text' if is_text else ''}+{codec}"
    response = await served.http.post(
        f"/testing.v1.Echo/{rpc}",
        content=base64.b64encode(body) if is_text else body,
        headers={"content-type": media_type, **SENT, **(headers or {})},
    )
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == media_type
    return grpc_web_outcome(response, codec, is_text=is_text)


def grpc_web_outcome(
    response: httpx.Response, codec: str = "proto", *, is_text: bool = False
) -> Outcome:
    outcome = Outcome(initial=metadata_of(response.headers.multi_items()))
    body = _pieces_of_base64(response.content) if is_text else response.content
    *messages, (flags, trailers) = envelopes(body)
    assert flags == 0x80
    for flags, message in messages:
        assert flags in (0, 1)
        data = gzip.decompress(message) if flags else message
        outcome.texts.append(text_of(data, codec))
    lines = trailers.decode().split("\r\n")
    assert lines.pop() == ""
    outcome.trailing = metadata_of(tuple(line.split(": ", 1)) for line in lines)  # type: ignore[misc]  # two each
    outcome.code = NUMBERS[int(outcome.trailing.pop("grpc-status"))]
    outcome.details = unquote(outcome.trailing.pop("grpc-message", ""))
    if RICH in outcome.trailing:
        outcome.rich = rich_details(outcome.trailing[RICH])
    return outcome


def _pieces_of_base64(body: bytes) -> bytes:
    """A body whose pieces may each end in padding."""
    pieces = b""
    for start in range(0, len(body), 4):
        pieces += base64.b64decode(body[start : start + 4])
    return pieces


async def connect(served: Served, rpc: str, texts: list[str]) -> Outcome:
    return await by_connect(served, rpc, requests_of(rpc, texts))


async def connect_json(served: Served, rpc: str, texts: list[str]) -> Outcome:
    return await by_connect(served, rpc, requests_of(rpc, texts), codec="json")


async def by_connect(
    served: Served,
    rpc: str,
    requests: list[Any],
    *,
    codec: str = "proto",
    headers: dict[str, str] | None = None,
) -> Outcome:
    bodies = serialized(requests, codec)
    is_unary = rpc not in STREAMED_REQUESTS + STREAMED_RESPONSES
    media_type = f"application/{codec}" if is_unary else f"application/connect+{codec}"
    response = await served.http.post(
        f"/testing.v1.Echo/{rpc}",
        content=bodies[0] if is_unary else b"".join(map(envelope, bodies)),
        headers={
            "content-type": media_type,
            "connect-protocol-version": "1",
            **SENT,
            **(headers or {}),
        },
    )
    return (connect_unary_outcome if is_unary else connect_stream_outcome)(response, codec)


def connect_unary_outcome(response: httpx.Response, codec: str = "proto") -> Outcome:
    outcome = Outcome()
    items = response.headers.multi_items()
    outcome.initial = metadata_of(item for item in items if not item[0].startswith("trailer-"))
    outcome.trailing = metadata_of(
        (name.removeprefix("trailer-"), value)
        for name, value in items
        if name.startswith("trailer-")
    )
    if response.status_code == 200:
        assert response.headers["content-type"] == f"application/{codec}"
        outcome.texts.append(text_of(response.content, codec))
    else:
        assert response.headers["content-type"] == "application/json"
        put_error(outcome, response.json())
    return outcome


def connect_stream_outcome(response: httpx.Response, codec: str = "proto") -> Outcome:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == f"application/connect+{codec}"
    outcome = Outcome(initial=metadata_of(response.headers.multi_items()))
    *messages, (flags, end) = envelopes(response.content)
    assert flags == 2
    for flags, message in messages:
        assert flags in (0, 1)
        data = gzip.decompress(message) if flags else message
        outcome.texts.append(text_of(data, codec))
    last = json.loads(end)
    outcome.trailing = metadata_of(
        (name, value) for name, values in last.get("metadata", {}).items() for value in values
    )
    if "error" in last:
        put_error(outcome, last["error"])
    return outcome


def put_error(outcome: Outcome, error: dict[str, Any]) -> None:
    outcome.code = CONNECT_CODES[error["code"]]
    outcome.details = error.get("message", "")
    for detail in error.get("details", []):
        assert not detail["value"].endswith("=")
        outcome.rich.append((detail["type"], from_base64(detail["value"])))


def metadata_of(items: Iterable[tuple[str, str]]) -> dict[str, Any]:
    return {name: from_base64(value) if name.endswith("-bin") else value for name, value in items}


CALLERS = {
    "grpc": native,
    "grpc-over-http": grpc_over_http,
    "grpc-web": grpc_web,
    "grpc-web-text": grpc_web_text,
    "connect": connect,
    "connect-json": connect_json,
    "grpc-straight": grpc_straight,
    "grpc-web-straight": straightly(grpc_web),
    "grpc-web-text-straight": straightly(grpc_web_text),
    "connect-straight": straightly(connect),
    "connect-json-straight": straightly(connect_json),
}
"""Ways to call an RPC of `Echo`, besides HTTP/JSON."""

WAYS = {"asgi": by_asgi, "straight": straight}
"""The ways of a call by HTTP/2."""

"""Every RPC behaves the same over both protocols. A new RPC is one line in `CALLS`."""

from __future__ import annotations

import grpc
import httpx
import pytest
from google.protobuf.message import Message

from greeter_service.service import Service
from greeter_service.v1 import greeter_pb2 as pb

from .protocols import over_grpc, over_http

SERVICE = pb.DESCRIPTOR.services_by_name["Greeter"]
CALLS: list[tuple[str, list[Message]]] = [
    ("SayHello", [pb.SayHelloRequest(name="World")]),
    ("SayHello", [pb.SayHelloRequest(name="error")]),
    ("WatchGreetings", [pb.WatchGreetingsRequest(name="World", count=3)]),
    ("CollectNames", [pb.CollectNamesRequest(name=name) for name in ("Ada", "Grace")]),
    ("Chat", [pb.ChatRequest(name=name) for name in ("Ada", "Grace")]),
]
REQUEST_ID = "x-request-id"


@pytest.mark.parametrize(("rpc", "requests"), CALLS)
async def test_the_same_over_both_protocols(
    service: Service, http: httpx.AsyncClient, rpc: str, requests: list[Message]
) -> None:
    method = SERVICE.methods_by_name[rpc]
    path = f"/grpc/greeterservice/{rpc.lower()}"
    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        native = await over_grpc(channel, method, requests, {REQUEST_ID: "parity"})
    other = await over_http(http, path, method, requests, {REQUEST_ID: "parity"})
    assert (other.messages, other.status, other.details) == (
        native.messages,
        native.status,
        native.details,
    )
    assert other.initial_metadata.items() >= native.initial_metadata.items()
    # The one difference: over HTTP it is a header, which is known before a stream ends.
    assert native.trailing_metadata.pop(REQUEST_ID) == other.initial_metadata[REQUEST_ID]
    assert other.trailing_metadata == native.trailing_metadata


def test_every_rpc_has_a_call() -> None:
    assert {rpc for rpc, _ in CALLS} == set(SERVICE.methods_by_name)

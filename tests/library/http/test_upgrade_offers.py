"""Requests that offer an upgrade, behind a server that loses their bodies: stock uvicorn."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from serving import EchoService, gateway_of, serving

OFFER = {"connection": "upgrade", "upgrade": "h2c"}


@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_a_lost_body_is_not_taken_for_an_empty_message(framing: str) -> None:
    body = b'{"text": "lost"}'
    async with serving(gateway_of(EchoService())) as served:
        response = await served.http.post(
            "/grpc/echoservice/unary",
            content=body if framing == "length" else _chunks(body),
            headers={"content-type": "application/json", **OFFER},
        )
    assert response.status_code == 400
    assert response.json()["detail"].startswith("the server has lost the body")


async def test_so_it_is_when_the_body_comes_before_it_is_asked_for() -> None:
    class Waiting(grpc.aio.ServerInterceptor):
        async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
            for _ in range(10):
                await asyncio.sleep(0)
            return await continuation(handler_call_details)

    async with serving(gateway_of(EchoService(), interceptors=[Waiting()])) as served:
        response = await served.http.post(
            "/grpc/echoservice/unary", json={"text": "lost"}, headers=OFFER
        )
    assert response.status_code == 400
    assert response.json()["detail"].startswith("the server has lost the body")


async def test_without_a_body_there_is_none_to_lose() -> None:
    async with serving(gateway_of(EchoService())) as served:
        response = await served.http.post("/grpc/echoservice/unary", headers=OFFER)
    assert response.status_code == 200


async def _chunks(body: bytes):  # noqa: ANN202 - an asynchronous iterator, for httpx
    yield body

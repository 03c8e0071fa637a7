"""Connect's `GET`, for RPCs without side effects: what is in the query is the request."""

from __future__ import annotations

import base64
import gzip
from collections.abc import AsyncIterator
from typing import Any

import pytest
from safe_service import SafeService
from serving import Served, gateway_of, serving
from testing.v1 import testing_pb2 as pb

PATH = "/testing.v1.Safe/Look"
ONE = pb.EchoRequest(text="a", count=7)
PROTO = base64.urlsafe_b64encode(ONE.SerializeToString()).decode()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving(gateway_of(SafeService, max_message_bytes=1000)) as served:
        yield served


async def get(served: Served, path: str = PATH, **parameters: str) -> Any:
    return await served.http.get(path, params=parameters, headers={"accept-encoding": "identity"})


async def test_a_message_as_json(served: Served) -> None:
    response = await get(served, connect="v1", encoding="json", message='{"text":"a+b c"}')
    assert (response.status_code, response.json()) == (200, {"text": "a+b c", "index": 0})
    assert response.headers["content-type"] == "application/json"
    assert response.headers["vary"] == "accept-encoding"
    assert response.headers["cache-control"] == "max-age=60"
    assert response.headers["trailer-x-trailing"] == "1"


@pytest.mark.parametrize("message", [PROTO, PROTO.rstrip("=")], ids=["padded", "unpadded"])
async def test_a_message_as_protobuf(served: Served, message: str) -> None:
    response = await get(served, connect="v1", encoding="proto", base64="1", message=message)
    assert pb.EchoResponse.FromString(response.content) == pb.EchoResponse(text="a", index=7)
    assert response.headers["content-type"] == "application/proto"


async def test_a_compressed_message(served: Served) -> None:
    data = gzip.compress(ONE.SerializeToString(), mtime=0)
    message = base64.urlsafe_b64encode(data).decode()
    response = await get(served, encoding="proto", base64="1", compression="gzip", message=message)
    assert pb.EchoResponse.FromString(response.content).text == "a"
    # Without a list of its own, the client is taken to accept what it sends.
    response = await served.http.send(
        without_accept_encoding(
            served,
            {"encoding": "proto", "base64": "1", "compression": "gzip", "message": message},
        )
    )
    assert response.headers["content-encoding"] == "gzip"


def without_accept_encoding(served: Served, parameters: dict[str, str]) -> Any:
    request = served.http.build_request("GET", PATH, params=parameters)
    del request.headers["accept-encoding"]
    return request


async def test_head_is_answered_without_a_body(served: Served) -> None:
    response = await served.http.head(PATH, params={"encoding": "json", "message": "{}"})
    assert (response.status_code, response.content) == (200, b"")


BOMB = base64.urlsafe_b64encode(gzip.compress(b"\0" * 1_000_000)).decode()
WRONG: dict[str, tuple[dict[str, str], int, str]] = {
    "another version": ({"connect": "v2", "message": "{}"}, 400, "invalid_argument"),
    "no message": ({"connect": "v1"}, 400, "invalid_argument"),
    "no json": ({"message": "{"}, 400, "invalid_argument"),
    "no base64": ({"message": "e30@", "base64": "1"}, 400, "invalid_argument"),
    "half of base64": ({"message": "e30aa", "base64": "1"}, 400, "invalid_argument"),
    "base64 that is not URL-safe": ({"message": "+/+/", "base64": "1"}, 400, "invalid_argument"),
    "too long": ({"message": " " * 1001}, 429, "resource_exhausted"),
    "a bomb": (
        {"message": BOMB, "base64": "1", "compression": "gzip"},
        429,
        "resource_exhausted",
    ),
    "an unknown compression": ({"message": "{}", "compression": "br"}, 501, "unimplemented"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_query_gets_an_error_of_connect(served: Served, name: str) -> None:
    parameters, status, code = WRONG[name]
    response = await get(served, encoding="json", **parameters)
    assert (response.status_code, response.json()["code"]) == (status, code)


@pytest.mark.parametrize("encoding", [{}, {"encoding": "foo"}, {"encoding": ""}])
async def test_an_unknown_codec_is_415(served: Served, encoding: dict[str, str]) -> None:
    response = await get(served, connect="v1", message="{}", **encoding)
    assert response.status_code == 415
    assert "proto, json" in response.json()["detail"]


@pytest.mark.parametrize("path", ["/testing.v1.Safe/Put", "/testing.v1.Safe/Watch"])
async def test_only_what_is_unary_and_has_no_side_effects_is_got(served: Served, path: str) -> None:
    response = await get(served, path, connect="v1", encoding="json", message="{}")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_many_parameters_are_no_message(served: Served) -> None:
    query = "&".join(f"a{number}=1" for number in range(2000))
    response = await served.http.get(f"{PATH}?encoding=json&{query}")
    assert response.status_code == 400

"""What is no request of its protocol gets that protocol's own error."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from protocol_clients import (
    Outcome,
    connect_stream_outcome,
    connect_unary_outcome,
    envelope,
    grpc_web_outcome,
)
from serving import EchoService, Served, gateway_of, serving
from testing.v1 import testing_pb2 as pb

LIMIT = 1000
ONE = pb.EchoRequest(text="a", count=1).SerializeToString()
LONG = pb.EchoRequest(text="a" * LIMIT).SerializeToString()
BOMB = gzip.compress(b"\0" * 50_000_000)
INVALID, INTERNAL = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL
EXHAUSTED, UNIMPLEMENTED = grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNIMPLEMENTED

# Bodies in envelopes: what is sent, with further headers, and the code.
ENVELOPED: dict[str, tuple[bytes, dict[str, str], grpc.StatusCode]] = {
    "less than a prefix": (b"\0\0", {}, INVALID),
    "less than is said": (b"\0\0\0\0\x09" + ONE, {}, INVALID),
    "a length that lies": (b"\0\xff\xff\xff\xff" + ONE, {}, EXHAUSTED),
    "too long": (envelope(LONG), {}, EXHAUSTED),
    "flags that there are not": (envelope(ONE, 0x40), {}, INVALID),
    "the flag of an end": (envelope(ONE, 2) + envelope(b"", 0x80), {}, INVALID),
    "compressed, but not said how": (envelope(gzip.compress(ONE), 1), {}, INTERNAL),
    "compressed by nothing": (envelope(ONE, 1), {"encoding": "identity"}, INTERNAL),
    "an unknown compression": (envelope(ONE, 1), {"encoding": "zstd"}, UNIMPLEMENTED),
    "no gzip": (envelope(ONE, 1), {"encoding": "gzip"}, INVALID),
    "half a gzip": (envelope(gzip.compress(ONE)[:-9], 1), {"encoding": "gzip"}, INVALID),
    "two gzips": (envelope(gzip.compress(ONE) * 2, 1), {"encoding": "gzip"}, INVALID),
    "a bomb": (envelope(BOMB[:900], 1), {"encoding": "gzip"}, EXHAUSTED),
    "binary metadata that is not": (envelope(ONE), {"x-some-bin": "@"}, INVALID),
}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving(gateway_of(EchoService, max_message_bytes=LIMIT)) as served:
        yield served


async def post(
    served: Served, content_type: str, rpc: str, body: bytes, headers: dict[str, str]
) -> Outcome:
    compression = "connect-content-encoding" if "connect" in content_type else "grpc-encoding"
    headers = {compression if name == "encoding" else name: headers[name] for name in headers}
    response = await served.http.post(
        f"/testing.v1.Echo/{rpc}",
        content=body,
        headers={"content-type": content_type, **headers},
    )
    outcome_of = connect_stream_outcome if "connect" in content_type else grpc_web_outcome
    return outcome_of(response)


@pytest.mark.parametrize("rpc", ["Unary", "ServerStream", "ClientStream", "Bidi"])
@pytest.mark.parametrize("name", ENVELOPED)
async def test_a_wrong_envelope_over_grpc_web(served: Served, name: str, rpc: str) -> None:
    body, headers, code = ENVELOPED[name]
    outcome = await post(served, "application/grpc-web+proto", rpc, body, headers)
    assert (outcome.texts, outcome.code) == ([], code), outcome.details
    assert outcome.details


@pytest.mark.parametrize("rpc", ["ServerStream", "ClientStream", "Bidi"])
@pytest.mark.parametrize("name", ENVELOPED)
async def test_a_wrong_envelope_in_a_stream_of_connect(served: Served, name: str, rpc: str) -> None:
    body, headers, code = ENVELOPED[name]
    outcome = await post(served, "application/connect+proto", rpc, body, headers)
    assert (outcome.texts, outcome.code) == ([], code), outcome.details
    assert outcome.details


@pytest.mark.parametrize("number", [0, 2])
@pytest.mark.parametrize("rpc", ["Unary", "ServerStream"])
async def test_one_message_is_neither_none_nor_two(served: Served, rpc: str, number: int) -> None:
    for content_type in ("application/grpc-web+proto", "application/connect+proto"):
        if rpc == "Unary" and "connect" in content_type:
            continue
        outcome = await post(served, content_type, rpc, envelope(ONE) * number, {})
        assert outcome.code is UNIMPLEMENTED
        assert "one message" in outcome.details


async def test_an_unknown_compression_is_told_which_are_known(served: Served) -> None:
    for content_type in ("application/grpc-web+proto", "application/connect+proto"):
        outcome = await post(served, content_type, "Bidi", envelope(ONE, 1), {"encoding": "br"})
        assert "gzip, identity" in outcome.details


async def test_a_message_that_is_none_of_its_type(served: Served) -> None:
    outcome = await post(served, "application/grpc-web+proto", "Unary", envelope(b"\xff"), {})
    assert outcome.code is INTERNAL
    outcome = await post(served, "application/connect+proto", "Bidi", envelope(b"\xff"), {})
    assert outcome.code is INVALID


async def test_a_message_before_a_wrong_one_is_still_answered(served: Served) -> None:
    body = envelope(ONE) + envelope(ONE, 0x40)
    for content_type in ("application/grpc-web+proto", "application/connect+proto"):
        outcome = await post(served, content_type, "Bidi", body, {})
        assert (outcome.texts, outcome.code) == (["a"], INVALID)


@pytest.mark.parametrize("value", ["", "1", "m", "123456789m", "-1m", "1.5S", "1 m", "1x"])
async def test_a_bad_time_out_over_grpc_web(served: Served, value: str) -> None:
    outcome = await post(
        served, "application/grpc-web", "Unary", envelope(ONE), {"grpc-timeout": value}
    )
    assert outcome.code is INVALID
    assert "grpc-timeout" in outcome.details


@pytest.mark.parametrize("value", ["", "x", "12345678901", "-1", "1.5", "1m"])
async def test_a_bad_time_out_over_connect(served: Served, value: str) -> None:
    headers = {"connect-timeout-ms": value}
    outcome = await post(served, "application/connect+proto", "Bidi", envelope(ONE), headers)
    assert outcome.code is INVALID
    assert "connect-timeout-ms" in outcome.details
    response = await post_unary(served, ONE, headers)
    assert response.status_code == 400
    assert "connect-timeout-ms" in response.json()["message"]


async def post_unary(
    served: Served, body: bytes, headers: dict[str, str], content_type: str = "application/proto"
) -> Any:
    return await served.http.post(
        "/testing.v1.Echo/Unary", content=body, headers={"content-type": content_type, **headers}
    )


UNARY: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "no message of its type": (b"\xff", {}, 400, "invalid_argument"),
    "too long": (LONG, {}, 429, "resource_exhausted"),
    "a bomb": (BOMB[:900], {"content-encoding": "gzip"}, 429, "resource_exhausted"),
    "too long a gzip": (BOMB, {"content-encoding": "gzip"}, 429, "resource_exhausted"),
    "no gzip": (ONE, {"content-encoding": "gzip"}, 400, "invalid_argument"),
    "an unknown compression": (ONE, {"content-encoding": "br"}, 501, "unimplemented"),
    "another version": (ONE, {"connect-protocol-version": "2"}, 400, "invalid_argument"),
    "binary metadata that is not": (ONE, {"x-some-bin": "@"}, 400, "invalid_argument"),
}


@pytest.mark.parametrize("name", UNARY)
async def test_a_wrong_unary_request_of_connect(served: Served, name: str) -> None:
    body, headers, status, code = UNARY[name]
    response = await post_unary(served, body, headers)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/json"
    assert response.json()["message"]


@pytest.mark.parametrize("body", [b"{", b'{"nothing":1}', b'{"text":1}', b"\xff", b"[]"])
async def test_wrong_json_is_told_what_is_wrong(served: Served, body: bytes) -> None:
    response = await post_unary(served, body, {}, "application/json")
    assert (response.status_code, response.json()["code"]) == (400, "invalid_argument")
    outcome = connect_unary_outcome(response, "json")
    for content_type in ("application/grpc-web+json", "application/connect+json"):
        response = await served.http.post(
            "/testing.v1.Echo/Bidi", content=envelope(body), headers={"content-type": content_type}
        )
        outcome_of = connect_stream_outcome if "connect" in content_type else grpc_web_outcome
        assert outcome_of(response, "json").details == outcome.details


async def test_an_empty_body_is_the_empty_message_even_if_it_is_called_compressed(
    served: Served,
) -> None:
    response = await post_unary(served, b"", {"content-encoding": "gzip"})
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "image/jpeg",
        "application/foo",
        "application/grpc-web+foo",
        "application/connect+proto",
        "application/grpc-webb",
        "application/x-www-form-urlencoded",
    ],
)
async def test_an_unknown_content_type_is_told_which_there_are(
    served: Served, content_type: str
) -> None:
    response = await post_unary(served, ONE, {}, content_type)
    assert (response.status_code, response.json()["code"]) == (415, 3)
    # Clients of Connect would take bare JSON for an error of their own form.
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert "application/grpc-web" in response.json()["detail"]
    assert "application/json" in response.headers["accept-post"]


async def test_a_stream_is_no_unary_call_of_connect(served: Served) -> None:
    for content_type in ("application/proto", "application/json"):
        response = await served.http.post(
            "/testing.v1.Echo/Bidi", content=b"", headers={"content-type": content_type}
        )
        assert response.status_code == 415
        assert "application/connect+proto" in response.json()["detail"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_another_method_is_told_which_there_is(served: Served, method: str) -> None:
    response = await served.http.request(
        method, "/testing.v1.Echo/Unary", headers={"content-type": "application/grpc-web"}
    )
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert response.headers["content-type"] == "application/json; charset=utf-8"


UNKNOWN_PATHS = ["/testing.v1.echo/unary", "/testing.v1.Echo/Nothing", "/testing.v1.Nothing/Unary"]


@pytest.mark.parametrize("path", UNKNOWN_PATHS)
async def test_an_unknown_rpc_is_unimplemented_in_each_protocol(served: Served, path: str) -> None:
    for content_type in ("application/grpc-web", "application/connect+proto"):
        response = await served.http.post(
            path, content=envelope(ONE), headers={"content-type": content_type}
        )
        outcome_of = connect_stream_outcome if "connect" in content_type else grpc_web_outcome
        outcome = outcome_of(response)
        assert (outcome.code, outcome.details) == (UNIMPLEMENTED, "Method not found!")
    for content_type in ("application/proto", "application/json"):
        response = await served.http.post(
            path,
            content=ONE,
            headers={"content-type": content_type, "connect-protocol-version": "1"},
        )
        assert (response.status_code, response.json()) == (
            404,
            {"code": "unimplemented", "message": "Method not found!"},
        )


@pytest.mark.parametrize("path", [*UNKNOWN_PATHS, "/a/b/c", "/Echo"])
async def test_an_unknown_path_is_not_found_by_other_content_types(
    served: Served, path: str
) -> None:
    for content_type in ("application/json", "text/plain"):
        response = await served.http.post(
            path, content=b"{}", headers={"content-type": content_type}
        )
        assert (response.status_code, "code" in response.json()) in ((404, True), (404, False))
    if path not in UNKNOWN_PATHS:
        response = await served.http.post(
            path, content=envelope(ONE), headers={"content-type": "application/grpc-web"}
        )
        assert response.status_code == 404


async def test_grpc_is_refused_over_http_1(served: Served) -> None:
    for content_type in ("application/grpc", "application/grpc+proto", "application/grpc+json"):
        response = await post_unary(served, envelope(ONE), {"te": "trailers"}, content_type)
        assert response.status_code == 415
        assert response.json()["detail"].startswith("gRPC needs HTTP/2, and this is HTTP/1.1")


@pytest.mark.parametrize("text", [b"@@@@", b"AAA", b"A", b"=", b"====", b"AA=A", b"AAAA\n"])
async def test_text_that_is_no_base64(served: Served, text: bytes) -> None:
    response = await served.http.post(
        "/testing.v1.Echo/Unary",
        content=text,
        headers={"content-type": "application/grpc-web-text"},
    )
    outcome = grpc_web_outcome(response, is_text=True)
    assert (outcome.code, outcome.details) == (INVALID, "the body is no base64")


async def test_text_in_pieces_that_each_end_in_padding(served: Served) -> None:
    body = envelope(ONE)
    pieces = [body[:1], body[1:3], body[3:4], body[4:]]
    response = await served.http.post(
        "/testing.v1.Echo/Unary",
        content=b"".join(map(base64.b64encode, pieces)),
        headers={"content-type": "application/grpc-web-text"},
    )
    assert grpc_web_outcome(response, is_text=True).texts == ["a"]


async def test_a_body_that_is_compressed_as_a_whole_is_refused_over_grpc_web(
    served: Served,
) -> None:
    outcome = await post(
        served,
        "application/grpc-web",
        "Unary",
        gzip.compress(envelope(ONE)),
        {"content-encoding": "gzip"},
    )
    assert outcome.code is UNIMPLEMENTED


async def test_metadata_cannot_end_a_line_of_trailers() -> None:
    class Evil(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            await context.abort(grpc.StatusCode.NOT_FOUND, "a\r\ngrpc-status: 0\r\n%\u00e9")

        async def ServerStream(self, request: Any, context: Any) -> Any:
            context.set_trailing_metadata([("x-evil", "a\r\ngrpc-status: 0")])

    async with serving(gateway_of(Evil)) as served:
        outcome = await post(served, "application/grpc-web", "Unary", envelope(ONE), {})
        assert outcome.code is grpc.StatusCode.NOT_FOUND
        assert outcome.details == "a\r\ngrpc-status: 0\r\n%\u00e9"
        outcome = await post(served, "application/grpc-web", "ServerStream", envelope(ONE), {})
        assert outcome.code is grpc.StatusCode.UNKNOWN
        assert "x-evil" not in outcome.trailing


async def test_a_servicer_cannot_say_another_status_in_its_metadata() -> None:
    class Lying(EchoService):
        async def Unary(self, request: Any, context: Any) -> Any:
            await context.send_initial_metadata([("grpc-encoding", "br"), ("x-initial", "1")])
            await context.abort(
                grpc.StatusCode.NOT_FOUND, "no", (("grpc-status", "0"), ("x-trailing", "2"))
            )

    async with serving(gateway_of(Lying)) as served:
        response = await served.http.post(
            "/testing.v1.Echo/Unary",
            content=envelope(ONE),
            headers={"content-type": "application/grpc-web"},
        )
        assert response.content.count(b"grpc-status") == 1
        outcome = grpc_web_outcome(response)
        assert (outcome.code, outcome.trailing) == (
            grpc.StatusCode.NOT_FOUND,
            {"x-trailing": "2"},
        )
        assert (outcome.initial.get("grpc-encoding"), outcome.initial["x-initial"]) == (None, "1")


async def test_an_error_is_json_of_its_own_shape(served: Served) -> None:
    response = await post_unary(served, b"\xff", {})
    assert json.loads(response.content) == {
        "code": "invalid_argument",
        "message": "The request is no message of its type",
    }

"""Forms are read whole, however their bodies come in pieces."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from framework_under_test import MULTIPART, Form, post
from polyrpc.framework.imports import Application, Gateway, UnchangedLogging
from polyrpc.framework.multipart import with_whole_delimiters
from polyrpc.framework.own_routes import around_routes

FORM = Form(media_type=MULTIPART)
# What looks like a delimiter, and begins like one.
FILE = b"\r\n--a-boundar\r\n--\r\r\n-a-boundary--\r\n"
BODY = (
    b"--a-boundary\r\n"
    b'content-disposition: form-data; name="by"\r\n\r\nAda\r\n'
    b"--a-boundary\r\n"
    b'content-disposition: form-data; name="file"; filename="f.bin"\r\n'
    b"content-type: application/octet-stream\r\n\r\n" + FILE + b"\r\n"
    b"--a-boundary--\r\n"
)
CONTENT_TYPE = f"{MULTIPART}; boundary=a-boundary"


@post("/upload")
async def upload(data: dict[str, Any] = FORM) -> dict[str, Any]:
    content = await data["file"].read()
    await data["file"].close()
    return {"by": data["by"], "name": data["file"].filename, "same": content == FILE}


def pieces(size: int) -> list[bytes]:
    return [BODY[start : start + size] for start in range(0, len(BODY), size)]


def events(*bodies: bytes) -> Any:
    """ASGI's `receive` of a request with this body."""
    left = list(bodies)

    async def receive() -> Any:
        body = left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    return receive


async def answer(receive: Any) -> tuple[int, bytes]:
    app = Application(
        routes=[Gateway(handler=upload)],
        middleware=around_routes(max_body_bytes=10),
        logging_config=UnchangedLogging(),
    )
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/upload",
        "query_string": b"",
        "headers": [(b"host", b"test"), (b"content-type", CONTENT_TYPE.encode())],
    }
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    await app(scope, receive, send)
    return sent[0]["status"], sent[1]["body"]


@pytest.mark.parametrize("size", [*range(1, 40), len(BODY) - 4, len(BODY) - 1, len(BODY)])
async def test_a_form_is_read_in_pieces_of_any_size(size: int) -> None:
    status, body = await answer(events(*pieces(size)))
    assert (status, json.loads(body)) == (201, {"by": "Ada", "name": "f.bin", "same": True})


async def test_so_it_is_wherever_it_is_parted() -> None:
    for end in range(1, len(BODY)):
        status, _ = await answer(events(BODY[:end], BODY[end:]))
        assert status == 201


@pytest.mark.parametrize("size", [1, 7, 100])
async def test_the_body_stays_the_same_and_is_not_held_back_for_long(size: int) -> None:
    receive = with_whole_delimiters(events(*pieces(size)), CONTENT_TYPE)
    bodies: list[bytes] = []
    more = True
    while more:
        event = await receive()
        bodies.append(event["body"])
        more = event["more_body"]
    assert b"".join(bodies) == BODY
    for before, after in pairwise(bodies):
        assert b"\r\n--a-boundary" not in before[-13:] + after[:13]
    # A delimiter, its ending, and one that may begin before that.
    assert len(bodies[-1]) < size + 2 * len(b"\r\n--a-boundary--\r\n")


async def test_a_client_that_goes_away_is_handed_on() -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    event = await with_whole_delimiters(receive, CONTENT_TYPE)()
    assert event == {"type": "http.disconnect"}

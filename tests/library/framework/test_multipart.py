"""Multipart forms, however their bytes arrive."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from polyrpc.framework.imports import Request
from polyrpc.framework.multipart import boundary_of, with_whole_delimiters

BOUNDARY = b"-a-"
CONTENT = b"\r\n--\r\n---b\r\n---a\r\n\r\n--"
BODY = (
    b'---a-\r\nContent-Disposition: form-data; name="by"\r\n\r\nAda\r\n'
    b'---a-\r\nContent-Disposition: form-data; name="file"; filename="b.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n" + CONTENT + b"\r\n---a---\r\n"
)


def scope_of(content_type: bytes) -> dict[str, Any]:
    headers = [(b"host", b"a"), (b"content-type", content_type)]
    return {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers}


async def form_of(*chunks: bytes) -> tuple[str, bytes]:
    events = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    events.append({"type": "http.request"})
    coming = iter(events)

    async def receive() -> dict[str, Any]:
        return next(coming)

    scope = scope_of(b'multipart/form-data; boundary="-a-"')
    boundary = boundary_of(scope)
    assert boundary == BOUNDARY
    form: Any = await Request(scope, with_whole_delimiters(receive, boundary)).form()
    content = await form["file"].read()
    await form["file"].close()
    return form["by"], content


async def test_a_form_is_read_wherever_its_body_is_cut() -> None:
    for cut in range(len(BODY)):
        assert await form_of(BODY[:cut], BODY[cut:]) == ("Ada", CONTENT), cut


async def test_what_comes_behind_the_last_part_is_no_part_of_it() -> None:
    for cut in range(BODY.rindex(CONTENT), len(BODY) + 1):
        assert await form_of(BODY[:cut], BODY[cut:], b"\r\nmore", b"\r\n") == ("Ada", CONTENT), cut


async def test_a_form_is_read_byte_by_byte() -> None:
    assert await form_of(*(bytes([byte]) for byte in BODY)) == ("Ada", CONTENT)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=8))
async def test_nothing_is_lost_of_a_body_without_an_end(body: bytes, cuts: list[int]) -> None:
    ends = sorted(cuts)
    chunks = [body[start:end] for start, end in zip([0, *ends], [*ends, 300], strict=True)]
    coming = iter(chunks)

    async def receive() -> dict[str, Any]:
        chunk = next(coming, None)
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    receive_whole = with_whole_delimiters(receive, BOUNDARY)
    got, more = b"", True
    while more:
        event = await receive_whole()
        got, more = got + event["body"], event["more_body"]
    assert got == body


async def test_who_leaves_in_the_middle_of_a_form_is_not_waited_for() -> None:
    part = {"type": "http.request", "body": b"\r\n--", "more_body": True}
    coming = iter([part, {"type": "http.disconnect"}])

    async def receive() -> dict[str, Any]:
        return next(coming)

    assert await with_whole_delimiters(receive, BOUNDARY)() == {"type": "http.disconnect"}


def test_the_boundary_is_known_of_multipart_bodies_alone() -> None:
    assert boundary_of(scope_of(b"Multipart/Form-Data;charset=x; boundary=b")) == b"b"
    assert boundary_of(scope_of(b"multipart/form-data")) is None
    assert boundary_of(scope_of(b"application/json; boundary=b")) is None
    # Text of whatever kind, in the form that RFC 2231 gives to parameters.
    assert boundary_of(scope_of(b"multipart/form-data; boundary*=utf-8''%E2%82%AC")) is None

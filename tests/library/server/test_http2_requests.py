"""Requests over HTTP/2: what is taken, and what is refused, by RFC 9113."""

from __future__ import annotations

from typing import Any

import pytest
from applications import Calls, answer, echo
from http2_wire import (
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADERS,
    NO_ERROR,
    PADDED,
    PING,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WHOLE_WINDOW,
    WINDOW,
    frame,
    http2,
    number,
    setting,
)
from polyrpc.server.http2_request import MAX_FIELDS
from wire import serving, until


async def told(port: int, *fields: tuple[str, str], **rest: Any) -> Any:
    async with http2(port) as client:
        return (await client.response(client.ask("/echo", *fields, **rest))).told


async def test_crumbs_of_a_cookie_are_joined() -> None:
    async with serving(echo, http2=True) as port:
        got = await told(port, ("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"))
    assert ["cookie", "a=1; b=2"] in got["headers"]
    assert [name for name, _ in got["headers"]].count("cookie") == 1


async def test_te_may_be_trailers() -> None:
    async with serving(echo, http2=True) as port:
        assert ["te", "trailers"] in (await told(port, ("te", "trailers")))["headers"]


async def test_values_are_utf8() -> None:
    async with serving(echo, http2=True) as port, http2(port) as client:
        assert ["x", "é"] in (await client.response(client.ask("/", ("x", "é")))).told["headers"]
        block = client.headers("/") + b"\x00\x01x\x01\xff"
        client.last += 2
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, client.last, block))
        refused = await client.response(client.last)
        assert (refused.status, refused.told["detail"]) == (400, "headers must be UTF-8")


@pytest.mark.parametrize(
    ("method", "body", "lengths"),
    [("POST", b"", ["0"]), ("DELETE", b"", ["0"]), ("POST", b"body", []), ("GET", b"", [])],
)
async def test_a_request_without_content_says_so(
    method: str, body: bytes, lengths: list[str]
) -> None:
    async with serving(echo, http2=True) as port:
        got = await told(port, method=method, body=body)
    assert [value for name, value in got["headers"] if name == "content-length"] == lengths


async def test_trailers_are_no_headers() -> None:
    calls = Calls()
    async with serving(calls, http2=True) as port, http2(port) as client:
        stream = client.ask("/echo", end=False)
        client.data(stream, b"body")
        await client.ping()
        trailers = client.encoder.encode([("x-late", "1"), ("authorization", "Bearer late")])
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, trailers))
        got = (await client.response(stream)).told
        assert (got["headers"], got["body"]) == ([["host", "a"]], "body")
        # The table of compressed headers is in step.
        assert ["x-late", "1"] in (await client.response(client.ask("/", ("x-late", "1")))).told[
            "headers"
        ]


MALFORMED: dict[str, tuple[tuple[tuple[str, str], ...], dict[str, str]]] = {
    "connection": ((("connection", "close"),), {}),
    "keep-alive": ((("keep-alive", "1"),), {}),
    "proxy-connection": ((("proxy-connection", "close"),), {}),
    "transfer-encoding": ((("transfer-encoding", "chunked"),), {}),
    "upgrade": ((("upgrade", "h2c"),), {}),
    "te": ((("te", "gzip"),), {}),
    "a name in upper case": ((("Name", "value"),), {}),
    "a name that is none": ((("na me", "value"),), {}),
    "no name": ((("", "value"),), {}),
    "a line end in a value": ((("name", "a\r\nb"),), {}),
    "a NUL in a value": ((("name", "a\0b"),), {}),
    "a value with a blank": ((("name", " a"),), {}),
    "another host": ((("host", "b"),), {}),
    "an unknown pseudo-header": ((), {"what": "else"}),
    "a pseudo-header of responses": ((), {"status": "200"}),
    "a pseudo-header after others": ((("name", "value"), (":path", "/b")), {}),
    "no path": ((), {"path": ""}),
    "a path that is none": ((), {"path": "a"}),
    "a path with a fragment": ((), {"path": "/a#b"}),
    "a path with a blank": ((), {"path": "/a b"}),
    "a path with a tab": ((), {"path": "/a?b\tc"}),
    "a path that is not ASCII": ((), {"path": "/é"}),
    "a star": ((), {"path": "*"}),
    "a WebSocket": ((), {"method": "CONNECT", "protocol": "websocket"}),
    "a protocol": ((), {"protocol": "websocket"}),
    "a tunnel": ((), {"method": "CONNECT"}),
    "a length that is none": ((("content-length", "1a"),), {}),
    "a length of nothing": ((("content-length", "5"),), {}),
    "two lengths": ((("content-length", "0"), ("content-length", "1")), {}),
}


@pytest.mark.parametrize("fault", MALFORMED)
async def test_a_malformed_request_is_refused_and_others_are_answered(fault: str) -> None:
    fields, pseudo = MALFORMED[fault]
    calls = Calls()
    async with serving(calls, http2=True) as port, http2(port) as client:
        client.last += 2
        headers = {":method": "POST", ":scheme": "http", ":path": "/echo", ":authority": "a"}
        headers |= {f":{name}": value for name, value in pseudo.items()}
        block = client.encoder.encode([*headers.items(), *fields])
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, client.last, block))
        assert (await client.response(client.last)).reset == PROTOCOL_ERROR
        assert (await client.response(client.ask("/fine"))).status == 200
    assert calls.begun == ["/fine"]


@pytest.mark.parametrize("missing", [":method", ":path", ":scheme"])
async def test_a_request_that_lacks_something_is_refused(missing: str) -> None:
    async with serving(echo, http2=True) as port, http2(port) as client:
        headers = {":method": "GET", ":scheme": "http", ":path": "/", ":authority": "a"}
        del headers[missing]
        client.last += 2
        block = client.encoder.encode(list(headers.items()))
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, client.last, block))
        assert (await client.response(client.last)).reset == PROTOCOL_ERROR


async def test_a_request_may_do_without_an_authority() -> None:
    # RFC 9113 (8.3.1) leaves it out where there is none to convey, and gRPC's protocol lets it.
    async with serving(echo, http2=True) as port, http2(port) as client:
        client.last += 2
        block = client.encoder.encode([(":method", "GET"), (":scheme", "http"), (":path", "/")])
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, client.last, block))
        assert (await client.response(client.last)).told["headers"] == []


@pytest.mark.parametrize(
    ("length", "parts"), [(5, [b"abc"]), (5, [b"abcdef"]), (5, [b"abc", b"def"]), (0, [b"a"])]
)
async def test_a_body_is_as_long_as_it_says(length: int, parts: list[bytes]) -> None:
    calls = Calls()
    async with serving(calls, http2=True) as port, http2(port) as client:
        stream = client.ask("/unread", ("content-length", str(length)), end=False)
        await until(lambda: calls.begun)
        for part in parts:
            client.data(stream, part, end=part is parts[-1])
        assert (await client.response(stream)).reset == PROTOCOL_ERROR
        await until(lambda: calls.gone == ["/unread"])


@pytest.mark.parametrize("host", ["a b", "a/b", "a@b", "a?b", "a#b"])
async def test_a_host_is_one(host: str) -> None:
    async with serving(echo, http2=True) as port, http2(port) as client:
        refused = await client.response(client.ask(authority=host))
        assert (refused.status, refused.told["status"]) == (400, "INVALID_ARGUMENT")


async def test_headers_that_are_too_large_are_refused_with_431() -> None:
    async with serving(echo, http2=True, max_header_bytes=8192) as port, http2(port) as client:
        large = client.ask("/", ("x", "y" * 8150))
        many = client.ask("/", *((f"x{index}", "") for index in range(250)))
        for stream in (large, many):
            refused = await client.response(stream)
            assert (refused.status, refused.told["status"]) == (431, "RESOURCE_EXHAUSTED")
        fine = await client.response(client.ask("/", ("x", "y" * 7000)))
        assert fine.status == 200
        settings = client.frames(SETTINGS)[0].payload
        assert setting(6, 8192) in settings


async def test_more_headers_than_may_be_are_refused_however_small() -> None:
    calls = Calls()
    async with serving(calls, http2=True) as port, http2(port) as client:
        # Beside them: `host`, which the authority becomes.
        refused = await client.response(client.ask("/early", *[("x", "y")] * MAX_FIELDS))
        assert (refused.status, refused.told["status"]) == (431, "RESOURCE_EXHAUSTED")
        taken = await client.response(client.ask("/early", *[("x", "y")] * (MAX_FIELDS - 1)))
        assert taken.status == 413
    assert calls.begun == ["/early"]


async def test_headers_may_come_in_parts() -> None:
    async with serving(echo, http2=True) as port, http2(port) as client:
        client.last += 2
        block = client.headers("/", ("x", "y" * 5000))
        client.send(frame(HEADERS, END_STREAM, client.last, block[:1]))
        for start in range(1, len(block), 1000):
            ends = END_HEADERS if start + 1000 >= len(block) else 0
            client.send(frame(CONTINUATION, ends, client.last, block[start : start + 1000]))
        assert (await client.response(client.last)).status == 200


async def test_padding_is_no_body() -> None:
    async with serving(echo, http2=True) as port, http2(port) as client:
        stream = client.ask(end=False)
        client.send(frame(DATA, PADDED, stream, b"\x05body" + bytes(5)))
        client.send(frame(DATA, PADDED | END_STREAM, stream, b"\x00"))
        assert (await client.response(stream)).told["body"] == "body"


@pytest.mark.parametrize("expected", ["100-continue", "100-Continue"])
async def test_who_waits_to_be_told_is_told_to_send_the_body(expected: str) -> None:
    async with serving(echo, http2=True) as port, http2(port) as client:
        stream = client.ask("/echo", ("expect", expected), end=False)
        await client.until(HEADERS, stream)
        assert client.answers[stream].informational == [100]
        client.data(stream, b"body", end=True)
        assert (await client.response(stream)).told["body"] == "body"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_get_has_no_large_body(method: str) -> None:
    async with serving(Calls(), http2=True) as port, http2(port) as client:
        stream = client.ask("/wait", body=bytes(70_000), method=method, end=False)
        got = await client.response(stream)
        assert (got.status, bool(got.body)) == (413, method == "GET")


async def test_many_requests_are_answered_at_a_time() -> None:
    calls = Calls()
    async with serving(calls, http2=True) as port, http2(port) as client:
        streams = [client.ask(f"/wait/{index}") for index in range(100)]
        await until(lambda: len(calls.begun) == 100)
        refused = client.ask("/wait")
        assert (await client.response(refused)).reset == REFUSED_STREAM
        calls.release.set()
        for index, stream in enumerate(streams):
            assert (await client.response(stream)).body == b"/wait/%d" % index
        assert setting(3, 100) in client.frames(SETTINGS)[0].payload


async def test_a_connection_lives_past_many_requests_and_many_that_are_given_up() -> None:
    calls = Calls()
    async with serving(calls, http2=True) as port, http2(port) as client:
        for _ in range(50):
            streams = [client.ask("/early", ("x", "y"), ("z", f"{index}")) for index in range(100)]
            for stream in streams:
                assert (await client.response(stream)).body == b"early"
            await client.ping()
            for _ in range(6):
                stream = client.ask("/wait")
                client.send(frame(RST_STREAM, 0, stream, number(8)))
        assert (await client.response(client.ask())).status == 200
        # The table of headers was emptied meanwhile, and is in use again.
        sizes = [one.payload for one in client.frames(SETTINGS) if len(one.payload) == 6]
        assert sizes[:2] == [setting(1, 0), setting(1, 4096)]
        assert client.encoder.header_table_size == 4096


END = END_HEADERS | END_STREAM
REQUEST = b"\x83\x84\x86"
FAULTS: dict[str, tuple[bytes, int]] = {
    "DATA of no stream": (frame(DATA, 0, 0, b"a"), PROTOCOL_ERROR),
    "DATA of an unborn stream": (frame(DATA, 0, 9, b"a"), PROTOCOL_ERROR),
    "HEADERS of no stream": (frame(HEADERS, END, 0, REQUEST), PROTOCOL_ERROR),
    "HEADERS of a server's stream": (frame(HEADERS, END, 2, REQUEST), PROTOCOL_ERROR),
    "HEADERS of a skipped stream": (
        frame(HEADERS, END, 9, REQUEST) + frame(HEADERS, END, 7, REQUEST),
        PROTOCOL_ERROR,
    ),
    "HEADERS that cannot be decoded": (frame(HEADERS, END, 1, b"\xff" * 9), COMPRESSION_ERROR),
    "trailers that cannot be decoded": (
        frame(HEADERS, END_HEADERS, 1, REQUEST) + frame(HEADERS, END, 1, b"\xff" * 9),
        COMPRESSION_ERROR,
    ),
    "a frame in between": (frame(HEADERS, 0, 1, REQUEST) + frame(PING, 0, 0, bytes(8)), 1),
    "a CONTINUATION of nothing": (frame(CONTINUATION, END_HEADERS, 1, REQUEST), PROTOCOL_ERROR),
    "a CONTINUATION of another": (
        frame(HEADERS, 0, 1, REQUEST) + frame(CONTINUATION, END_HEADERS, 3),
        PROTOCOL_ERROR,
    ),
    "a push": (frame(PUSH, END_HEADERS, 1, bytes(4) + REQUEST), PROTOCOL_ERROR),
    "too long a frame": (frame(DATA, 0, 1, bytes(16_385)), FRAME_SIZE_ERROR),
    "more padding than there is": (
        frame(HEADERS, END_HEADERS, 1, REQUEST) + frame(DATA, PADDED, 1, b"\x05abc"),
        PROTOCOL_ERROR,
    ),
    "padding without a length": (
        frame(HEADERS, END_HEADERS, 1, REQUEST) + frame(DATA, PADDED, 1),
        FRAME_SIZE_ERROR,
    ),
    "a priority of no stream": (frame(PRIORITY, 0, 0, bytes(5)), PROTOCOL_ERROR),
    "a priority cut short": (frame(HEADERS, END | 0x20, 1, b"ab"), FRAME_SIZE_ERROR),
    "a short RST_STREAM": (frame(RST_STREAM, 0, 1, b"abc"), FRAME_SIZE_ERROR),
    "RST_STREAM of an unborn stream": (frame(RST_STREAM, 0, 1, bytes(4)), PROTOCOL_ERROR),
    "settings of a stream": (frame(SETTINGS, 0, 1), PROTOCOL_ERROR),
    "settings of an odd length": (frame(SETTINGS, 0, 0, b"abc"), FRAME_SIZE_ERROR),
    "settings acknowledged by some": (frame(SETTINGS, 1, 0, setting(3, 1)), FRAME_SIZE_ERROR),
    "ENABLE_PUSH of 2": (frame(SETTINGS, 0, 0, setting(2, 2)), PROTOCOL_ERROR),
    "an INITIAL_WINDOW_SIZE too large": (
        frame(SETTINGS, 0, 0, setting(4, 2**31)),
        FLOW_CONTROL_ERROR,
    ),
    "a MAX_FRAME_SIZE too small": (frame(SETTINGS, 0, 0, setting(5, 16_383)), PROTOCOL_ERROR),
    "a ping of a stream": (frame(PING, 0, 1, bytes(8)), PROTOCOL_ERROR),
    "a short ping": (frame(PING, 0, 0, bytes(7)), FRAME_SIZE_ERROR),
    "a short GOAWAY": (frame(GOAWAY, 0, 0, bytes(7)), FRAME_SIZE_ERROR),
    "a GOAWAY of a stream": (frame(GOAWAY, 0, 1, bytes(8)), PROTOCOL_ERROR),
    "a short WINDOW_UPDATE": (frame(WINDOW, 0, 0, bytes(3)), FRAME_SIZE_ERROR),
    "a WINDOW_UPDATE of nothing": (frame(WINDOW, 0, 0, bytes(4)), PROTOCOL_ERROR),
    "a WINDOW_UPDATE of too much": (
        frame(WINDOW, 0, 0, number(WHOLE_WINDOW)),
        FLOW_CONTROL_ERROR,
    ),
    "a WINDOW_UPDATE of an unborn stream": (frame(WINDOW, 0, 9, number(1)), PROTOCOL_ERROR),
    "a windows change of too much": (
        frame(HEADERS, END_HEADERS, 1, REQUEST)
        + frame(WINDOW, 0, 1, number(1_000_000))
        + frame(SETTINGS, 0, 0, setting(4, WHOLE_WINDOW)),
        FLOW_CONTROL_ERROR,
    ),
    "headers without end": (
        frame(HEADERS, 0, 1, REQUEST) + frame(CONTINUATION, 0, 1, bytes(16_000)) * 5,
        ENHANCE_YOUR_CALM,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_of_the_connection_ends_it(fault: str) -> None:
    sent, code = FAULTS[fault]
    async with serving(Calls(), http2=True) as port, http2(port) as client:
        client.send(sent)
        assert await client.fault() == code


async def test_the_first_frame_is_settings() -> None:
    for first in (frame(PING, 0, 0, bytes(8)), frame(SETTINGS, 1)):
        async with serving(echo, http2=True) as port, http2(port, begin=False) as client:
            client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + first)
            assert await client.fault() == PROTOCOL_ERROR


STREAM_FAULTS: dict[str, tuple[bytes, int]] = {
    "it depends on itself": (frame(PRIORITY, 0, 1, number(1) + b"\0"), PROTOCOL_ERROR),
    "a priority of the wrong length": (frame(PRIORITY, 0, 1, bytes(4)), FRAME_SIZE_ERROR),
    "a WINDOW_UPDATE of nothing": (frame(WINDOW, 0, 1, bytes(4)), PROTOCOL_ERROR),
    "a window too large": (frame(WINDOW, 0, 1, number(WHOLE_WINDOW)), FLOW_CONTROL_ERROR),
    "trailers that do not end it": (frame(HEADERS, END_HEADERS, 1, b"\0\1a\1b"), PROTOCOL_ERROR),
    "trailers with a path": (frame(HEADERS, END, 1, b"\x84"), PROTOCOL_ERROR),
    "DATA after its end": (
        frame(DATA, END_STREAM, 1, b"a") + frame(DATA, 0, 1, b"b"),
        STREAM_CLOSED,
    ),
    "HEADERS after its end": (
        frame(DATA, END_STREAM, 1, b"a") + frame(HEADERS, END, 1, b"\0\1a\1b"),
        STREAM_CLOSED,
    ),
}


@pytest.mark.parametrize("fault", STREAM_FAULTS)
async def test_a_fault_of_a_stream_ends_it_alone(fault: str) -> None:
    sent, code = STREAM_FAULTS[fault]
    calls = Calls()
    async with serving(calls, http2=True) as port, http2(port) as client:
        stream = client.ask("/unread", end=False)
        await until(lambda: calls.begun)
        client.send(sent)
        assert (await client.response(stream)).reset == code
        await until(lambda: calls.gone == ["/unread"])
        assert (await client.response(client.ask())).status == 200


async def test_a_request_that_depends_on_itself_is_refused_and_its_headers_are_known() -> None:
    async with serving(echo, http2=True) as port, http2(port) as client:
        client.last += 2
        block = number(client.last) + b"\0" + client.headers("/", ("x", "y"))
        client.send(frame(HEADERS, END | 0x20, client.last, block))
        assert (await client.response(client.last)).reset == PROTOCOL_ERROR
        assert (await client.response(client.ask("/", ("x", "y")))).status == 200


async def test_what_is_unknown_is_overlooked() -> None:
    async with serving(echo, http2=True) as port, http2(port) as client:
        client.send(frame(0x77, 0xFF, 5, b"what") + frame(SETTINGS, 0, 0, setting(0x77, 7)))
        client.send(frame(PRIORITY, 0, 7, bytes(5)))
        assert (await client.response(client.ask())).status == 200


async def test_pings_are_answered_with_what_they_hold() -> None:
    async with serving(echo, http2=True) as port, http2(port) as client:
        await client.ping(b"abcdefgh")


async def test_data_for_what_was_answered_early_is_overlooked() -> None:
    async def early(_scope: Any, _receive: Any, send: Any) -> None:
        await answer(send, b"early", 413)

    async with serving(early, http2=True) as port, http2(port) as client:
        stream = client.ask(end=False)
        got = await client.response(stream)
        assert (got.status, got.body) == (413, b"early")
        assert (await client.until(RST_STREAM, stream)).code == NO_ERROR
        for _ in range(200):  # far more than the connection's window
            client.data(stream, bytes(16_000))
            await client.ping()
        client.data(stream, b"", end=True)
        assert (await client.response(client.ask())).status == 413
        assert not client.frames(GOAWAY)


async def test_so_it_is_when_many_others_have_been_answered_meanwhile() -> None:
    async with serving(Calls(), http2=True) as port, http2(port) as client:
        late = client.ask("/early", end=False)
        await client.response(late)
        for _ in range(6):
            for stream in [client.ask("/early") for _ in range(100)]:
                await client.response(stream)
        client.data(late, b"late", end=True)
        assert (await client.response(client.ask("/early"))).status == 413


async def test_what_is_refused_of_a_body_takes_nothing_of_the_window_of_others() -> None:
    async with serving(Calls(), http2=True) as port, http2(port) as client:
        for _ in range(100):  # which is more than the connection's window
            stream = client.ask("/unread", ("content-length", "1"), end=False)
            client.data(stream, bytes(16_000))
            assert (await client.response(stream)).reset == PROTOCOL_ERROR
        assert (await client.response(client.ask("/early"))).status == 413

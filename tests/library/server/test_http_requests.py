"""Where a request ends and what its headers are, whatever its client says of it."""

from __future__ import annotations

import httptools
import pytest
from applications import Calls, echo
from polyrpc.server.framing import ChunkedBody, RequestHeaders
from polyrpc.server.refusals import Refused
from wire import Client, chunked, connected, request, serving

NEXT = request("/next", b"later")
OFFERS = {
    "h2c": ["connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABk"],
    "websocket": ["connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13"],
    "anything": ["upgrade: anything/1", "connection: keep-alive, upgrade"],
    "unconnected": ["upgrade: h2c"],
}


async def told(client: Client) -> tuple[str, str]:
    answer = await client.answer()
    assert answer.status == 200, answer.body
    return answer.told["path"], answer.told["body"]


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("arrival", ["at once", "head first", "byte for byte"])
@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_an_offer_to_upgrade_is_declined_and_its_body_read(
    offer: str, arrival: str, framing: str
) -> None:
    if framing == "length":
        head, _, body = request("/offer", b"GET /x HTTP/1.1\r\n\r\n", *OFFERS[offer]).partition(
            b"\r\n\r\n"
        )
        head += b"\r\n\r\n"
    else:
        head, body = (
            chunked("/offer", *OFFERS[offer]),
            b"13\r\nGET /x HTTP/1.1\r\n\r\n\r\n0\r\n\r\n",
        )
    async with serving(echo) as port, connected(port) as client:
        match arrival:
            case "at once":
                client.send(head + body + NEXT)
            case "head first":
                client.send(head)
                await client.writer.drain()
                client.send(body)
                client.send(NEXT)
            case _:
                for byte in head + body + NEXT:
                    client.send(bytes([byte]))
                    await client.writer.drain()
        assert await told(client) == ("/offer", "GET /x HTTP/1.1\r\n\r\n")
        assert await told(client) == ("/next", "later")


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize("method", ["FOO", "GETX", "get", "X-1"])
async def test_a_method_that_nobody_knows_is_not_implemented(method: str, bytewise: bool) -> None:
    data = request("/x", method=method)
    async with serving(echo) as port, connected(port) as client:
        for part in [bytes([byte]) for byte in data] if bytewise else [data]:
            client.send(part)
            await client.writer.drain()
        answer = await client.answer()
    assert (answer.status, answer.told["status"]) == (501, "UNIMPLEMENTED")


@pytest.mark.parametrize("line", [b"G(T / HTTP/1.1", b"hello", b"\x16\x03\x01", b"PRI * HTTP/2.0"])
async def test_what_is_no_method_is_no_request(line: bytes) -> None:
    async with serving(echo) as port, connected(port) as client:
        client.send(line + b"\r\n\r\n")
        assert (await client.answer()).status == 400


async def test_there_is_no_connect() -> None:
    calls = Calls()
    async with serving(calls) as port, connected(port) as client:
        client.send(b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\ncontent-length: 44\r\n\r\n" + NEXT)
        answer = await client.answer()
        assert (answer.status, answer.told["status"]) == (501, "UNIMPLEMENTED")
        assert await client.rest() == b""
    assert calls.begun == []


@pytest.mark.parametrize("size", [1, 5, 4096])
async def test_trailer_fields_are_never_headers(size: int) -> None:
    sent = (
        chunked("/trailers", "trailer: authorization")
        + b"3;a=b\r\nabc\r\n0\r\nauthorization: Bearer x\r\nconnection: close\r\nupgrade: h2c\r\n"
        + b"content-length: 7\r\ntransfer-encoding: gzip\r\n\r\n"
        + NEXT
    )
    async with serving(echo) as port, connected(port) as client:
        for start in range(0, len(sent), size):
            client.send(sent[start : start + size])
            await client.writer.drain()
        answer = await client.answer()
        assert answer.told["body"] == "abc"
        assert [name for name, _ in answer.told["headers"]] == [
            "host",
            "transfer-encoding",
            "trailer",
        ]
        answer = await client.answer()
        assert [name for name, _ in answer.told["headers"]] == ["host", "content-length"]


@pytest.mark.parametrize(
    "lines",
    [b"a: b\r\n" * 500, b"a: " + b"b" * 3000, b"a" * 3000],
    ids=["many", "a long one", "an endless name"],
)
async def test_trailer_fields_count_as_headers_do(lines: bytes) -> None:
    async with serving(echo, max_header_bytes=2048) as port, connected(port) as client:
        client.send(chunked() + b"1\r\na\r\n0\r\n" + lines)
        answer = await client.answer()
        assert (answer.status, answer.told["status"]) == (431, "RESOURCE_EXHAUSTED")


async def test_the_line_before_a_chunk_has_a_limit() -> None:
    async with serving(echo, max_header_bytes=2048) as port, connected(port) as client:
        client.send(chunked() + b"1;" + b"a" * 3000)
        assert (await client.answer()).status == 431


REFUSED = {
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", 400),
    "a host that is none": (b"GET / HTTP/1.1\r\nhost: a/b\r\n\r\n", 400),
    "a host that is no text": (b"GET / HTTP/1.1\r\nhost: \xff\r\n\r\n", 400),
    "a header that is no text": (b"GET / HTTP/1.1\r\nhost: a\r\na: \xff\xfe\r\n\r\n", 400),
    "a length with zeros": (
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: " + b"0" * 5000 + b"1\r\n\r\na",
        400,
    ),
    "a length too long": (
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999\r\n\r\na",
        400,
    ),
    "two lengths": (
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        400,
    ),
    "a list of lengths": (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1, 1\r\n\r\na", 400),
    "length and chunks": (
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\ntransfer-encoding: chunked\r\n\r\n",
        400,
    ),
    "chunks and length": (
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n",
        400,
    ),
    "another coding": (
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        501,
    ),
    "chunks of old": (
        b"POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "bare line feeds": (b"GET / HTTP/1.1\nhost: a\n\n", 400),
    "a folded line": (b"GET / HTTP/1.1\r\nhost: a\r\n b\r\n\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "another version": (b"GET / HTTP/0.9\r\nhost: a\r\n\r\n", 400),
    "no chunk": (chunked() + b"g\r\n", 400),
    "a chunk longer than it says": (chunked() + b"1\r\nabc", 400),
    "a space after a chunk's length": (chunked() + b"1 \r\na\r\n0\r\n\r\n", 400),
    "an empty extension": (chunked() + b"1;\r\na\r\n0\r\n\r\n", 400),
    "a bare line feed after a chunk": (chunked() + b"1\r\na\n0\r\n\r\n", 400),
    "a bare line feed in an extension": (chunked() + b"1;a\nb\r\na\r\n0\r\n\r\n", 400),
    "a signed chunk": (chunked() + b"+1\r\na\r\n", 400),
    "an endless chunk": (chunked() + b"f" * 17 + b"\r\n", 400),
    "no trailer field": (chunked() + b"0\r\n a\r\n\r\n", 400),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_an_ambiguous_request_is_refused_and_nothing_after_it_read(name: str) -> None:
    sent, status = REFUSED[name]
    calls = Calls()
    async with serving(calls) as port, connected(port) as client:
        client.send(sent + NEXT)
        answer = await client.answer()
        assert answer.status == status
        assert answer.headers["connection"] == "close"
        assert await client.rest() == b""
    assert "/next" not in calls.begun


async def test_the_request_target_may_be_absolute() -> None:
    async with serving(echo) as port, connected(port) as client:
        client.send(request("http://a/b%20c?d=e"))
        answer = await client.answer()
        assert (answer.told["path"], answer.told["query"]) == ("/b c", "d=e")
        client.send(request("http://a", b"") + request("//b?c"))
        assert await told(client) == ("/", "")
        assert await told(client) == ("//b", "")


async def test_old_clients_need_no_host_and_get_no_chunk_marks() -> None:
    async with serving(Calls()) as port:
        async with connected(port) as client:
            client.send(b"GET /stream HTTP/1.0\r\n\r\n")
            answer = await client.answer()
            assert "transfer-encoding" not in answer.headers
            assert answer.body == b"onetwo"
        async with connected(port) as client:
            client.send(b"GET /cut HTTP/1.0\r\n\r\n")
            with pytest.raises(ConnectionError):
                await client.answer()


async def test_a_client_may_wait_to_be_told_to_send_the_body() -> None:
    async with serving(Calls()) as port, connected(port) as client:
        head, _, body = request("/echo", b"body", "expect: 100-continue").partition(b"\r\n\r\n")
        client.send(head + b"\r\n\r\n")
        assert (await client.answer("HEAD")).status == 100
        client.send(body)
        assert await told(client) == ("/echo", "body")
        client.send(request("/early", b"", "expect: 100-continue").replace(b": 0", b": 4"))
        # It may send the body or not: what follows cannot be told apart.
        assert (await client.answer()).headers["connection"] == "close"


@pytest.mark.parametrize("size", range(1, 12))
def test_chunks_may_be_split_anywhere(size: int) -> None:
    sent = b'3\r\nabc\r\n00A;x="y"\r\n0123456789\r\n1\r\n\r\r\n0;c\r\na:b\r\n\r\nrest'
    body = ChunkedBody(1024)
    content = b""
    left = b""
    for start in range(0, len(sent), size):
        data = sent[start : start + size]
        part, position = body.feed(data, 0)
        content += part
        left += data[position:]
    assert body.is_complete
    assert (content, left) == (b"abc0123456789\r", b"rest")


@pytest.mark.parametrize("size", range(1, 12))
def test_a_head_may_be_split_anywhere(size: int) -> None:
    sent = request("/path", b"body")
    head = RequestHeaders()
    left = b""
    for start in range(0, len(sent), size):
        data = sent[start : start + size]
        position = 0 if head.is_complete else head.feed(data, 0, 1024)
        left += data[position:]
    assert (head.method, head.url, head.length) == ("POST", b"/path", 4)
    assert head.headers == [(b"host", b"a"), (b"content-length", b"4")]
    assert left == b"body"


def test_the_parser_shall_not_end_a_head_where_its_bytes_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Lenient(httptools.HttpRequestParser):
        def __init__(self, head: RequestHeaders) -> None:
            self.head = head

        def feed_data(self, _data: bytes) -> None:
            self.head.on_headers_complete()

    monkeypatch.setattr(httptools, "HttpRequestParser", Lenient)
    with pytest.raises(Refused):
        RequestHeaders().feed(b"GET / HTTP/1.1\n\n", 0, 1024)

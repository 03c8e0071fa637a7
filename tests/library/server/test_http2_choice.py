"""Which HTTP is spoken on a connection: both are, on one port, and clients choose."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import polyrpc.settings
import pytest
import trustme
from applications import Calls, echo
from http2_wire import GOAWAY, PREFACE, PROTOCOL_ERROR, SETTINGS, Http2Client, frame, http2
from polyrpc.server.tls import Tls
from polyrpc.settings import ServiceSettings, SettingsError
from programs import CURL, H2LOAD, needs_curl, needs_h2load
from wire import TIMEOUT, Client, connected, request, serving


async def test_a_client_that_knows_speaks_http2() -> None:
    async with serving(echo, http2=True) as port, http2(port) as client:
        answer = await client.response(client.ask("/a/b?c=d", ("x-name", "value"), body=b"body"))
    assert answer.status == 200
    assert answer.told == {
        **{"method": "POST", "path": "/a/b", "query": "c=d", "body": "body"},
        "headers": [["x-name", "value"], ["host", "a"]],
    }


async def test_others_speak_http_1_1_on_the_same_port() -> None:
    async with serving(echo, http2=True) as port:
        for sent in (request("/echo", b"body"), request("/", b"", method="PATCH"), request("/P")):
            async with connected(port) as client:
                client.send(sent)
                answer = await client.answer()
                assert answer.status == 200


@pytest.mark.parametrize("size", range(1, len(PREFACE) + 1))
async def test_the_preface_may_come_in_parts(size: int) -> None:
    async with serving(echo, http2=True) as port, http2(port, begin=False) as client:
        client.send(PREFACE[:size])
        await client.writer.drain()
        await asyncio.sleep(0)
        client.send(PREFACE[size:] + frame(SETTINGS))
        assert (await client.response(client.ask())).status == 200


async def test_what_begins_like_it_and_goes_on_otherwise_is_refused() -> None:
    async with serving(echo, http2=True) as port, http2(port, begin=False) as client:
        client.send(PREFACE[:20] + b"else")
        assert await client.fault() == PROTOCOL_ERROR


async def test_without_the_setting_the_preface_is_no_request() -> None:
    async with serving(echo) as port, connected(port) as client:
        client.send(PREFACE)
        assert (await client.answer()).status == 400


async def test_an_offer_to_upgrade_is_answered_in_http_1_1() -> None:
    async with serving(echo, http2=True) as port, connected(port) as client:
        offer = ("connection: upgrade, http2-settings", "upgrade: h2c", "http2-settings: AAMAAABk")
        client.send(request("/echo", b"", *offer))
        assert (await client.answer()).status == 200


async def test_who_says_nothing_is_sent_away() -> None:
    async with (
        serving(echo, http2=True, read_timeout_seconds=TIMEOUT) as port,
        connected(port) as client,
    ):
        client.send(b"PR")
        assert await client.rest() == b""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def settings_of(authority: trustme.CA, folder: Path, *, mutual: bool, http2: bool) -> Tls:
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    files = {name: folder / f"{name}.pem" for name in ("cert", "key", "ca")}
    certificate.cert_chain_pems[0].write_to_path(files["cert"])
    certificate.private_key_pem.write_to_path(files["key"])
    authority.cert_pem.write_to_path(files["ca"])
    return Tls(files["cert"], files["key"], files["ca"] if mutual else None, http2=http2)


@pytest.mark.parametrize("mutual", [False, True], ids=["tls", "mtls"])
@pytest.mark.parametrize(
    ("offered", "spoken"),
    [
        (["h2"], "h2"),
        (["http/1.1", "h2"], "h2"),
        (["http/1.1"], "http/1.1"),
        ([], None),
    ],
)
async def test_the_handshake_chooses(
    authority: trustme.CA, tmp_path: Path, mutual: bool, offered: list[str], spoken: str | None
) -> None:
    tls = settings_of(authority, tmp_path, mutual=mutual, http2=True)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if mutual:
        authority.issue_cert("client@example.org").configure_cert(context)
    if offered:
        context.set_alpn_protocols(offered)
    scopes = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await echo(scope, receive, send)

    async with serving(app, context=tls.context, http2=True) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == spoken
        if spoken == "h2":
            client = Http2Client(reader, writer)
            client.begin()
            assert (await client.response(client.ask(body=b"a" * 50_000))).is_complete
        else:
            old = Client(reader, writer)
            old.send(request("/echo", b"a" * 50_000))
            assert (await old.answer()).status == 200
        writer.transport.abort()
    assert scopes[0]["scheme"] == "https"
    assert scopes[0]["http_version"] == ("2" if spoken == "h2" else "1.1")
    assert bool(scopes[0]["extensions"]["tls"]["client_cert_chain"]) is mutual


async def test_who_says_over_tls_that_it_leaves_is_answered_until_it_does(
    authority: trustme.CA, tmp_path: Path
) -> None:
    tls = settings_of(authority, tmp_path, mutual=False, http2=True)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(["h2"])
    settings: Any = {"http2": True, "read_timeout_seconds": TIMEOUT}
    async with (
        serving(echo, context=tls.context, **settings) as port,
        http2(port, ssl=context) as client,
    ):
        assert (await client.response(client.ask())).status == 200
        client.send(frame(GOAWAY, 0, 0, bytes(8)))
        await client.ping()


async def test_without_the_setting_the_handshake_offers_none(
    authority: trustme.CA, tmp_path: Path
) -> None:
    tls = settings_of(authority, tmp_path, mutual=False, http2=False)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with serving(echo, context=tls.context) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        writer.transport.abort()


async def test_the_scope_says_what_asgi_asks_for() -> None:
    scopes = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await echo(scope, receive, send)

    async with serving(app, http2=True) as port, http2(port) as client:
        await client.response(client.ask("/a%20b%2Fc?d=%20", method="GET"))
        address = client.writer.get_extra_info("sockname")
    (scope,) = scopes
    assert scope["type"] == "http"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.3"}
    assert (scope["http_version"], scope["method"], scope["scheme"]) == ("2", "GET", "http")
    assert (scope["path"], scope["raw_path"]) == ("/a b/c", b"/a%20b%2Fc")
    assert (scope["query_string"], scope["root_path"]) == (b"d=%20", "")
    assert scope["client"] == tuple(address)
    assert scope["server"] == ("127.0.0.1", port)
    assert scope["extensions"]["http.response.trailers"] == {}


def test_the_extra_is_asked_for_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polyrpc.settings, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"^HTTP2 needs .* extra 'http2'") as caught:
        ServiceSettings(http2=True)
    assert "\n" not in str(caught.value)
    assert not ServiceSettings().http2


def test_grpc_without_a_listener_of_its_own_needs_http2() -> None:
    with pytest.raises(SettingsError, match=r"^GRPC_SERVER=none .* HTTP2=true$"):
        ServiceSettings(grpc_server="none")
    assert ServiceSettings(grpc_server="NONE", http2=True).grpc_server == "none"


@needs_curl
@pytest.mark.parametrize("arguments", [["--http2-prior-knowledge"], ["--http2"], ["--http1.1"]])
async def test_curl_is_answered(arguments: list[str]) -> None:
    async with serving(Calls(), http2=True) as port:
        process = await asyncio.create_subprocess_exec(
            *(CURL, "-sS", *arguments, "-d", "body", "-w", " %{http_version} %{http_code}"),
            f"http://127.0.0.1:{port}/echo",
            stdout=asyncio.subprocess.PIPE,
        )
        told, _ = await process.communicate()
    version = b"2" if arguments == ["--http2-prior-knowledge"] else b"1.1"
    assert told.endswith(b'"body": "body"} ' + version + b" 200")


@needs_h2load
@pytest.mark.full
async def test_h2load_and_its_table_of_headers_go_on_past_many_requests() -> None:
    async with serving(Calls(), http2=True) as port:
        process = await asyncio.create_subprocess_exec(
            *(H2LOAD, "-n", "6000", "-c", "1", "-m", "20", f"http://127.0.0.1:{port}/early"),
            stdout=asyncio.subprocess.PIPE,
        )
        told, _ = await process.communicate()
    assert b"6000 done, 0 succeeded, 6000 failed, 0 errored" in told  # failed: it is 413
    assert b"6000 4xx" in told


async def test_a_goaway_of_the_client_is_respected() -> None:
    async with serving(Calls(), http2=True) as port, http2(port) as client:
        stream = client.ask("/stream")
        client.send(frame(GOAWAY, 0, 0, bytes(8)))
        assert (await client.response(stream)).body == b"onetwo"
        assert await client.fault() == -1

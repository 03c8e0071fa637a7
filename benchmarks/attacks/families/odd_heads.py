"""Heads of requests that are ambiguous, or hold bytes that are no text."""

from __future__ import annotations

from attack import Attack, Target
from talk import SAY_HELLO, message, request, stranger

HELLO = message(name="World")
POST = f"POST {SAY_HELLO} HTTP/1.1\r\n".encode()
TYPE = b"content-type: application/json\r\n"
HOST = b"host: service\r\n"
ROUTES = ("/openapi.json", "/healthz/", "/docs/swagger", "/no")


def heads() -> list[bytes]:
    """Each is refused, whatever the server takes it for."""
    posts = [
        HOST + b"content-length: " + b"0" * 5000 + b"16\r\n",
        HOST + b"content-length: 99999999999999999999\r\n",
        HOST + b"content-length: -1\r\n",
        HOST + b"content-length: +16\r\n",
        HOST + b"content-length: 1_6\r\n",
        HOST + b"content-length: 16, 16\r\n",
        HOST + b"content-length: 16\r\ncontent-length: 17\r\n",
        HOST + b"content-length: 16\r\ntransfer-encoding: chunked\r\n",
        HOST + b"transfer-encoding: gzip, chunked\r\n",
        HOST + b"transfer-encoding: chunked, identity\r\n",
        HOST + b"transfer-encoding: \x0bchunked\r\n",
        HOST + b"content-length: 16\r\n folded: yes\r\n",
        HOST + b"content-length : 16\r\n",
        b"content-length: 16\r\n",  # no host
        HOST + HOST + b"content-length: 16\r\n",
        b"host: \xff\r\ncontent-length: 16\r\n",
        b"host: a/b\r\ncontent-length: 16\r\n",
    ]
    gets = [
        f"GET {path} HTTP/1.1\r\n".encode() + lines + b"\r\n"
        for path in ROUTES
        for lines in (
            *(b"host: \xff\xfe\r\n", HOST + b"x-name: \xff\xfe\r\n", HOST + b"cookie: \xe9\r\n"),
            *(HOST + b"x: \x00\r\n", HOST + HOST, b""),
        )
    ]
    return [*(POST + TYPE + lines + b"\r\n" + HELLO for lines in posts), *gets]


async def attack(target: Target) -> str:
    """Sends each; wants a refusal without internals, and nothing behind it looked at."""
    sent = heads()
    for head in sent:
        async with stranger(target.http_port) as client:
            await client.send(head + request(body=HELLO))
            status, body = await client.answer(5)
        line = head[:60].decode("latin-1").encode("unicode_escape").decode()
        if status != 501 and not 400 <= status < 500:
            target.faults.append(f"{line}…: status {status or 'none'}")
        if b"Error" in body or b"Traceback" in body or b"codec" in body:
            target.faults.append(f"{line}…: told {body[:60]!r}")
    errors = [line for line in target.running.lines if line.get("level") in ("error", "critical")]
    if errors:
        target.faults.append(f"{len(errors)} errors in the log: {errors[0]['event'][:80]}")
    return f"{len(sent)} ambiguous or odd heads"


ATTACKS = [Attack("odd heads of requests", attack)]

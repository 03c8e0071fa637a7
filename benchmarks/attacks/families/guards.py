"""Ways around `AUTH_TOKENS`."""

from __future__ import annotations

from attack import Attack, Target
from talk import SAY_HELLO, chunked, message, request, stranger

TOKEN = "5bd1e995a3"
GUARDED = ("/openapi.json", SAY_HELLO, "/v1/greetings/World")
SPELLINGS = (
    *("{}", "{}%0a", "{}%0A", "{}%0d%0a", "{}%00", "{}/", "/{}", "{}?", "{}%3f", "{}#a", "{};a"),
    *("http://service{}", "http://service/{}", "/healthz/..{}", "/healthz%2f..{}", "/metrics/..{}"),
    *("/docs/swagger/..{}", "/docs/swagger/../..{}", "/docs/swagger%0a{}", "/docs/swagger?{}"),
    *("/./{}", "/%2e{}", "{}/.", "{}%20", "{}%09", "/healthz?{}", "/healthz%0a{}", "{}/../healthz"),
)
LINES = (
    ["authorization: Bearer wrong"],
    ["authorization: Bearer "],
    [f"authorization: Basic {TOKEN}"],
    [f"authorization: Bearer {TOKEN}x"],
    [f"authorization: Bearer {TOKEN[:-1]}"],
    [f"x-authorization: Bearer {TOKEN}"],
    ["x-original-url: /healthz"],
    ["x-rewrite-url: /healthz"],
    ["x-forwarded-prefix: /healthz"],
    ["x-http-method-override: GET"],
    ["upgrade: websocket", "connection: upgrade", "sec-websocket-version: 13"],
)
OPEN = ("/healthz?", "/docs/swagger?")
"""What a spelling may lead to without a token: they say that it is well, and what it is called."""


async def attack(target: Target) -> str:
    """Asks for all that is guarded, in every way, and wants to be let in by none."""
    requests = []
    for path in GUARDED:
        spelt = [spelling.format(path) for spelling in SPELLINGS]
        requests += [
            *(request(one, method=method) for one in spelt for method in ("GET", "HEAD")),
            *(request(one, message(name="World")) for one in spelt),
            *(request(path, b"", *lines, method="GET") for lines in LINES),
            *(request(path, b"{}", *lines) for lines in LINES),
            request(f"{path}?authorization=Bearer%20{TOKEN}&access_token={TOKEN}", method="GET"),
            chunked(path) + f"0\r\nauthorization: Bearer {TOKEN}\r\n\r\n".encode(),
        ]
    for sent in requests:
        async with stranger(target.http_port) as client:
            await client.send(sent)
            status = await client.head(5)
        line = sent.partition(b"\r\n")[0].decode("latin-1")
        if status < 400 and not (status == 200 and line.split()[1].startswith(OPEN)):
            target.faults.append(f"{line}: status {status or 'none'}")
        if status >= 500 and status != 501:
            target.faults.append(f"{line}: status {status}")
    return f"{len(requests)} requests without the token"


ATTACKS = [Attack("ways around the guard", attack, settings={"AUTH_TOKENS": TOKEN}, token=TOKEN)]

"""Which pages of other origins may call (CORS, https://fetch.spec.whatwg.org/#http-cors-protocol).

It is around all that an application answers, RPCs of every protocol included, before any token is
asked for: browsers send their preflights without one. The server's own refusals never pass it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..calls.response import AsgiApp
from ..origins import Origins

EXPOSED = (
    b"x-request-id",
    b"grpc-status",
    b"grpc-message",
    b"grpc-status-details-bin",
    b"connect-content-encoding",
    b"connect-accept-encoding",
)
"""What scripts may read of a response, besides the headers that it has: gRPC-Web and Connect."""

_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_MAX_AGE = b"7200"  # seconds: the most that Chrome takes
_ASKS = b"access-control-request-method"
_ASKED_HEADERS = b"access-control-request-headers"
_HEADER_NAMES = re.compile(
    rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*"
)
_OF_NO_USE = frozenset((b"set-cookie", b"vary", b"connection", b"date", b"server"))


class Cors:
    """A middleware that answers preflights, and says which origins may read the responses.

    Args:
        app: The next.
        origins: As the setting `cors_allow_origins` has them.
    """

    skips_rpcs = True
    """RPCs need not pass it on the short way: `around_rpc` is around them there, unless it `spares`
    those that are answered without ASGI."""

    def __init__(self, app: AsgiApp, origins: str) -> None:
        self.app = app
        self._origins = Origins(origins)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self._answer(self.app, scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def around_rpc(self, answer: AsgiApp) -> AsgiApp:
        """Does for an RPC what is done for all else."""

        async def answer_rpc(scope: Any, receive: Any, send: Any) -> None:
            await self._answer(answer, scope, receive, send)

        return answer_rpc

    def spares(self, scope: Any) -> bool:
        """Whether a request is none of a page, so that nobody looks at what it adds."""
        return all(name != b"origin" for name, _ in scope["headers"])

    async def _answer(self, app: AsgiApp, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        if scope["method"] == "OPTIONS" and origin is not None and _ASKS in headers:
            await self._answer_preflight(origin, headers.get(_ASKED_HEADERS, b""), send)
            return
        allowed = self._origins.allowed(origin)

        async def send_allowed(event: Any) -> None:
            if event["type"] == "http.response.start":
                sent = event.get("headers", ())
                event = {**event, "headers": [*sent, *allowed, *_exposed(sent, allowed)]}
            await send(event)

        await app(scope, receive, send_allowed)

    async def _answer_preflight(self, origin: bytes, asked: bytes, send: Any) -> None:
        headers = self._origins.allowed(origin)
        if self._origins.has(origin):
            headers += [
                (b"access-control-allow-methods", _METHODS),
                (b"access-control-max-age", _MAX_AGE),
            ]
            if _HEADER_NAMES.fullmatch(asked):
                headers.append((b"access-control-allow-headers", asked))
        headers.append((b"vary", _ASKS + b", " + _ASKED_HEADERS))
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _exposed(
    headers: Iterable[tuple[bytes, bytes]], allowed: list[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    if len(allowed) == 1 and allowed[0][0] == b"vary":
        return []
    names = dict.fromkeys(EXPOSED)
    names.update(dict.fromkeys(name.lower() for name, _ in headers))
    shown = b", ".join(name for name in names if name not in _OF_NO_USE)
    return [(b"access-control-expose-headers", shown)]

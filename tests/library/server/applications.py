"""ASGI applications for the server to serve, one for each way to treat a request."""

from __future__ import annotations

import asyncio
import json
from typing import Any

Headers = list[tuple[bytes, bytes]]


async def answer(send: Any, body: bytes, status: int = 200, headers: Headers | None = None) -> None:
    """Sends a response of known length."""
    start = [(b"content-length", b"%d" % len(body)), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


async def body_of(receive: Any) -> bytes:
    """Waits for the whole body."""
    parts = []
    while (event := await receive())["type"] == "http.request":
        parts.append(event["body"])
        if not event["more_body"]:
            return b"".join(parts)
    raise ConnectionError


class Calls:
    """An application that does what the path says, and notes what became of its calls.

    Attributes:
        begun: The paths of the calls that have begun.
        gone: The paths of the calls whose clients have gone meanwhile.
    """

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.gone: list[str] = []
        self.release = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Does what the first part of the path says."""
        path = scope["path"]
        self.begun.append(path)
        match path.split("/")[1]:
            case "wait":
                await body_of(receive)
                await self._wait(path, receive, send)
            case "unread":
                await self._wait(path, receive, send)
            case "deaf":
                await self.release.wait()
            case "early":
                await answer(send, b"early", 413)
            case "close":
                await answer(send, b"closed", 401, [(b"connection", b"close")])
            case "stream":
                await stream(send, [b"one", b"two"])
            case "pausing":
                scope["extensions"]["polyrpc.request_stream"]()
                await answer(send, await body_of(receive))
            case "large":
                await answer(send, bytes(4_000_000))
            case "raise":
                raise ValueError("secret")
            case "exit":
                raise SystemExit("secret")
            case "cut":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"one", "more_body": True})
                raise ValueError("secret")
            case _:
                await echo(scope, receive, send)

    async def _wait(self, path: str, receive: Any, send: Any) -> None:
        gone = asyncio.ensure_future(_disconnect(receive))
        released = asyncio.ensure_future(self.release.wait())
        await asyncio.wait([gone, released], return_when=asyncio.FIRST_COMPLETED)
        if gone.done():
            self.gone.append(path)
        else:
            gone.cancel()
            await answer(send, path.encode())
        released.cancel()


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Tells what the request was."""
    body = await body_of(receive)
    told = {
        "method": scope["method"],
        "path": scope["path"],
        "query": scope["query_string"].decode(),
        "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]],
        "body": body.decode(),
    }
    await answer(send, json.dumps(told).encode())


async def stream(send: Any, parts: list[bytes]) -> None:
    """Sends a response of unknown length."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for part in parts:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body"})


async def _disconnect(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

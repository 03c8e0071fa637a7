"""Calls an application as a server does, without one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any


async def answer_of(app: Any, scope: dict[str, Any], chunks: Sequence[bytes]) -> list[Any]:
    """Sends a request whose body comes in chunks; returns the events of the response."""
    events = [
        {"type": "http.request", "body": chunk, "more_body": index + 1 < len(chunks)}
        for index, chunk in enumerate(chunks)
    ]
    sent: list[Any] = []
    gone = asyncio.Event()

    async def receive() -> Any:
        if events:
            return events.pop(0)
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(event: Any) -> None:
        sent.append(event)

    async with asyncio.timeout(60):
        await app(scope, receive, send)
    gone.set()
    return sent

"""Changes to what ASGI's `receive` and `send` carry, for the application's own routes."""

from __future__ import annotations

from typing import Any

from .imports import LilyaHTTPException


def with_header(event: Any, name: bytes, value: bytes) -> Any:
    """Answers the start of a response with this header in place of others of its name."""
    others = [header for header in event.get("headers", ()) if header[0].lower() != name]
    return {**event, "headers": [*others, (name, value)]}


def without_response_body(send: Any) -> Any:
    """Makes a `send` that leaves the body of a response out, as for HEAD."""

    async def send_head(event: Any) -> None:
        await send({**event, "body": b""} if event["type"] == "http.response.body" else event)

    return send_head


def with_bounded_body(receive: Any, max_bytes: int) -> Any:
    """Makes a `receive` that answers a larger body of a request with 413."""
    received = 0

    async def receive_bounded() -> Any:
        nonlocal received
        event = await receive()
        received += len(event.get("body", b""))
        if received > max_bytes:
            raise LilyaHTTPException(
                status_code=413, detail=f"the body is larger than {max_bytes} bytes"
            )
        return event

    return receive_bounded


def without_request_body(receive: Any) -> Any:
    """Makes a `receive` that lets nobody see the body of a request."""
    given = False

    async def receive_end() -> Any:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": b"", "more_body": False}
        while (event := await receive())["type"] != "http.disconnect":
            pass
        return event

    return receive_end

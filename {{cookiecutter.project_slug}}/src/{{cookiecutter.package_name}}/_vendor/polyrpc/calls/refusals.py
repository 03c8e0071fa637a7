"""The responses of requests that become no call of any protocol, and of HTTP/JSON's failures."""

from __future__ import annotations

from ..rpc.metadata import Metadata, response_headers
from ..rpc.status import CallError, error_body
from .context import HttpServicerContext
from .response import Event, Send

_JSON = (b"content-type", b"application/json")
_NO_CONNECT_ERROR = (b"content-type", b"application/json; charset=utf-8")
"""Without the parameter, clients of Connect take a failure with JSON for an error in their form."""

_CHALLENGE = (b"www-authenticate", b"Bearer")


async def send_failure(send: Send, failure: CallError) -> None:
    """Sends the error response of a request that becomes no call."""
    for event in failure_events(failure):
        await send(event)


async def refuse_request(send: Send, failure: CallError) -> None:
    """Does the same at the path of an RPC, of what is a request of none of its protocols."""
    for event in refusal_events(failure):
        await send(event)


def refusal_events(
    failure: CallError, context: HttpServicerContext | None = None
) -> tuple[Event, Event]:
    """Makes the error response of such a request, as `failure_events` does of others."""
    start, body = failure_events(failure, context)
    start["headers"][0] = _NO_CONNECT_ERROR
    return start, body


def failure_events(
    failure: CallError, context: HttpServicerContext | None = None
) -> tuple[Event, Event]:
    """Makes an error response; `context` adds the metadata of a call that had begun."""
    headers = [_JSON, *failure.headers]
    trailing: Metadata = ()
    if context is not None:
        context.headers_sent = True
        headers += context.headers
        add_metadata(headers, context)
        trailing = context.trailing
    if failure.http_status == 401:
        challenge(headers)
    body = error_body(failure.code, failure.detail, trailing)
    headers.append((b"content-length", b"%d" % len(body)))
    return (
        {"type": "http.response.start", "status": failure.http_status, "headers": headers},
        {"type": "http.response.body", "body": body},
    )


def challenge(headers: list[tuple[bytes, bytes]]) -> None:
    """Adds what every 401 has to have (RFC 9110, 15.5.2), where it is not there."""
    if all(name != _CHALLENGE[0] for name, _ in headers):
        headers.append(_CHALLENGE)


def add_metadata(headers: list[tuple[bytes, bytes]], context: HttpServicerContext) -> None:
    """Adds a call's initial metadata, and the trailing ones as `trailer-<name>`."""
    if context.initial_metadata:
        headers += response_headers(context.initial_metadata)
    if context.trailing:
        headers += response_headers(context.trailing, b"trailer-")

"""Calls any RPC over either protocol, and tells what the caller saw."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass


@dataclass
class Outcome:
    """What a caller sees of a call; equal over both protocols, or there is a fault."""

    messages: list[Message] = field(default_factory=list)
    status: str = "OK"
    details: str = ""
    initial_metadata: dict[str, str | bytes] = field(default_factory=dict)
    trailing_metadata: dict[str, str | bytes] = field(default_factory=dict)
    http_status: int | None = None  # of a call over HTTP alone


def without(messages: Sequence[Message], fields: Iterable[str]) -> list[Message]:
    """Copies of messages that lack `fields`, such as `id` or, in a message or a list, `items.id`."""
    copies = [type(message).FromString(message.SerializeToString()) for message in messages]
    for message in copies:
        for path in fields:
            _clear(message, path)
    return copies


def _clear(message: Message, path: str) -> None:
    first, _, rest = path.partition(".")
    if not rest:
        message.ClearField(first)
        return
    value = getattr(message, first)
    for part in [value] if isinstance(value, Message) else value:
        _clear(part, rest)


async def over_grpc(
    channel: grpc.aio.Channel,
    rpc: MethodDescriptor,
    requests: Sequence[Message],
    metadata: Mapping[str, str],
) -> Outcome:
    """Calls `rpc` natively."""
    kinds: dict[tuple[bool, bool], Any] = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }
    multicallable = kinds[rpc.client_streaming, rpc.server_streaming](
        f"/{rpc.containing_service.full_name}/{rpc.name}",
        request_serializer=GetMessageClass(rpc.input_type).SerializeToString,
        response_deserializer=GetMessageClass(rpc.output_type).FromString,
    )
    request = iter(requests) if rpc.client_streaming else requests[0]
    call = multicallable(request, metadata=list(metadata.items()))
    outcome = Outcome()
    try:
        if rpc.server_streaming:
            async for message in call:
                outcome.messages.append(message)
        else:
            outcome.messages.append(await call)
    except grpc.aio.AioRpcError as error:
        outcome.status, outcome.details = error.code().name, error.details() or ""
    outcome.initial_metadata = dict(await call.initial_metadata())
    outcome.trailing_metadata = dict(await call.trailing_metadata())
    return outcome


async def over_http(
    http: httpx.AsyncClient,
    path: str,
    rpc: MethodDescriptor,
    requests: Sequence[Message],
    metadata: Mapping[str, str],
) -> Outcome:
    """Calls `rpc` at `path`, streams as NDJSON."""
    kind = "application/x-ndjson" if rpc.client_streaming else "application/json"
    lines = [json_format.MessageToJson(request, indent=None) for request in requests]
    response = await http.post(
        path, content="\n".join(lines), headers={"content-type": kind, **metadata}
    )
    headers = response.headers.items()
    outcome = Outcome(
        initial_metadata=dict(headers),
        trailing_metadata={
            name.removeprefix("trailer-"): value
            for name, value in headers
            if name.startswith("trailer-")
        },
        http_status=response.status_code,
    )
    if not response.is_success:
        results = [{"error": response.json()}]
    elif rpc.server_streaming:
        results = [json.loads(line) for line in response.text.splitlines()]
    else:
        results = [{"result": response.json()}]
    for result in results:
        if "error" in result:
            outcome.status = result["error"]["status"]
            outcome.details = result["error"]["detail"]
        else:
            message = GetMessageClass(rpc.output_type)()
            outcome.messages.append(json_format.ParseDict(result["result"], message))
    return outcome

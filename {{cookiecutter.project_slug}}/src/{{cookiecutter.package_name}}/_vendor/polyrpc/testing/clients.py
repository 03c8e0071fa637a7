"""Clients of a running service: any RPC over any protocol, and what its caller sees."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from ..certificates import Certificates
from ..process.server import Server
from ..rpc.handlers import kind_of

if TYPE_CHECKING:
    import httpx

PROTOCOLS = ("grpc", "http")
"""What a service speaks, as the parameter of a fixture."""

_LOST = "Internal error from Core"
_TRIES = 10
_PAUSE_SECONDS = 0.01

Call = Callable[..., Awaitable["Outcome"]]


@dataclass
class Outcome:
    """What a caller sees of a call; equal over all protocols, or there is a fault.

    Attributes:
        messages: The response, or the responses of a stream.
        status: The name of the status code, such as `OK`.
        details: The text of the status.
        initial_metadata: What came before the first message.
        trailing_metadata: What came with the status.
        http_status: Of a call over HTTP alone.
    """

    messages: list[Any] = field(default_factory=list)
    status: str = "OK"
    details: str = ""
    initial_metadata: dict[str, str | bytes] = field(default_factory=dict)
    trailing_metadata: dict[str, str | bytes] = field(default_factory=dict)
    http_status: int | None = None


def channel(server: Server, certificates: Certificates | None = None) -> grpc.aio.Channel:
    """Makes a channel to a running service, to be entered; with `certificates` over TLS."""
    address = f"localhost:{server.grpc_port}"
    options = [("grpc.enable_http_proxy", 0)]
    if certificates is None:
        return grpc.aio.insecure_channel(address, options)
    credentials = grpc.ssl_channel_credentials(
        certificates.ca.read_bytes(),
        certificates.client_key.read_bytes(),
        certificates.client.read_bytes(),
    )
    return grpc.aio.secure_channel(address, credentials, options)


def http_client(server: Server, certificates: Certificates | None = None) -> httpx.AsyncClient:
    """Makes an HTTP client of a running service, to be entered; with `certificates` over TLS."""
    import httpx

    if certificates is None:
        url = f"http://localhost:{server.http_port}"
        # It trusts nobody: httpx would read the certificates of the system, for 20 ms a client.
        no_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return httpx.AsyncClient(base_url=url, trust_env=False, verify=no_tls)
    context = ssl.create_default_context(cafile=certificates.ca)
    context.load_cert_chain(certificates.client, certificates.client_key)
    url = f"https://localhost:{server.http_port}"
    return httpx.AsyncClient(base_url=url, trust_env=False, verify=context)


@asynccontextmanager
async def client(
    server: Server, protocol: str, certificates: Certificates | None = None
) -> AsyncIterator[Call]:
    """Gives `call(rpc, *requests, **metadata)`, which calls an RPC over one protocol.

    `rpc` is a name such as `SayHello`, or `greeter_service.v1.Greeter/SayHello` where services
    share names and the type of the first request does not tell which; `_` in a keyword is `-` in
    the metadata.

    Args:
        server: The running service.
        protocol: One of `PROTOCOLS`.
        certificates: For TLS.
    """
    paths = server.service.gateway.http_paths
    async with AsyncExitStack() as stack:
        if protocol == "grpc":
            native = await stack.enter_async_context(channel(server, certificates))
        else:
            http = await stack.enter_async_context(http_client(server, certificates))

        async def call(rpc: str, *requests: Message, **metadata: str) -> Outcome:
            full_name = _full_name(rpc, requests, paths)
            headers = {name.replace("_", "-"): value for name, value in metadata.items()}
            method = _method(full_name)
            if protocol == "grpc":
                for attempt in range(_TRIES):
                    pause = attempt * _PAUSE_SECONDS
                    outcome = await _over_grpc(native, method, requests, headers, pause)
                    # What a client of grpc.aio says when the call ended while it was still writing;
                    # the status of the call is lost then. So it writes a little later.
                    if not method.client_streaming or outcome.details != _LOST:
                        break
                return outcome
            return await _over_http(http, paths[full_name], method, requests, headers)

        yield call


def _full_name(rpc: str, requests: Sequence[Message], known: Mapping[str, str]) -> str:
    wanted = [name for name in known if name == f"/{rpc}" or name.endswith(f"/{rpc}")]
    # A second version of a service must not spoil the tests of the first.
    if len(wanted) > 1 and requests:
        taken = requests[0].DESCRIPTOR.full_name
        wanted = [one for one in wanted if _method(one).input_type.full_name == taken] or wanted
    if len(wanted) != 1:
        found = " and ".join(wanted) if wanted else "none"
        raise LookupError(f"{rpc!r} must be the name of one RPC of the service: it is of {found}")
    return wanted[0]


def _method(full_name: str) -> MethodDescriptor:
    service, _, name = full_name.removeprefix("/").partition("/")
    return Default().FindServiceByName(service).methods_by_name[name]


async def _over_grpc(
    channel: grpc.aio.Channel,
    rpc: MethodDescriptor,
    requests: Sequence[Message],
    metadata: Mapping[str, str],
    pause: float,
) -> Outcome:
    multicallable = getattr(channel, kind_of(rpc.client_streaming, rpc.server_streaming))(
        f"/{rpc.containing_service.full_name}/{rpc.name}",
        request_serializer=GetMessageClass(rpc.input_type).SerializeToString,
        response_deserializer=GetMessageClass(rpc.output_type).FromString,
    )
    request = _after(pause, requests) if rpc.client_streaming else requests[0]
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


async def _after(pause: float, requests: Sequence[Message]) -> AsyncIterator[Message]:
    await asyncio.sleep(pause)
    for request in requests:
        yield request


async def _over_http(
    http: httpx.AsyncClient,
    path: str,
    rpc: MethodDescriptor,
    requests: Sequence[Message],
    metadata: Mapping[str, str],
) -> Outcome:
    from google.protobuf import json_format

    kind = "application/x-ndjson" if rpc.client_streaming else "application/json"
    lines = [json_format.MessageToJson(request, indent=None) for request in requests]
    headers = {"content-type": kind, **metadata}
    response = await http.post(path, content="\n".join(lines), headers=headers)
    received = response.headers.items()
    outcome = Outcome(
        initial_metadata=dict(received),
        trailing_metadata={
            name.removeprefix("trailer-"): value
            for name, value in received
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

"""The paths of RPCs that no generated code describes: most of them there are not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import cached_property
from typing import NoReturn, Protocol

import grpc

from ..calls.call import Handler
from ..calls.incoming import Receive
from ..calls.metadata import invocation_metadata
from ..calls.response import Send
from ..calls.runner import CallRunner, HandlerCallDetails, Scope
from ..rpc.errors import failure_of
from ..rpc.method_info import Protocol as ProtocolName
from ..rpc.method_interceptors import answering, decoding
from ..rpc.status import CallError
from .chooser import Answer
from .codecs import Codec
from .connect_unary import CONTENT_TYPES as UNARY
from .connect_unary import ConnectUnary
from .enveloped import EnvelopedEndpoint, EnvelopedFormat
from .formats import FORMATS


class RunnerFor(Protocol):
    """Makes what runs a handler that no generated code describes."""

    def __call__(
        self, path: str, handler: Handler, protocol: ProtocolName, *, is_known: bool
    ) -> CallRunner:
        """Makes it.

        Args:
            path: The gRPC path.
            handler: What answers it.
            protocol: What its callers speak.
            is_known: Whether there is such an RPC, so that interceptors are given its handler.
        """


class UnknownRpcPaths:
    """Answers the requests to paths that no RPC of a gateway has.

    By gRPC and gRPC-Web, the generic handlers of servicers are asked first, as they are natively.

    Args:
        protocols: Those that are spoken.
        runner_for: Makes what runs a handler.
        generic_handlers: Gives the generic handlers; called once, when they are first needed.
        max_message_bytes: The limit for each request message.
    """

    def __init__(
        self,
        protocols: Collection[ProtocolName],
        runner_for: RunnerFor,
        generic_handlers: Callable[[], Sequence[grpc.GenericRpcHandler]],
        max_message_bytes: int,
    ) -> None:
        self._runner_for = runner_for
        self._generic_handlers = generic_handlers
        self._limits = max_message_bytes, None
        self._formats: dict[str, EnvelopedFormat | None] = {
            content_type: wire
            for wire, codecs in FORMATS
            if wire.protocol in protocols
            for content_type in codecs
        }
        self._generic_types = {
            content_type
            for wire, codecs in FORMATS
            if wire.protocol != "connect"
            for content_type, codec in codecs.items()
            if codec == "proto"
        }
        if "connect" in protocols:
            self._formats |= dict.fromkeys(UNARY)

    def answer_to(self, path: str, content_type: str) -> Answer | None:
        """Gives what answers a request; None: its content type is of no protocol.

        Nothing is kept: callers can make up any number of paths.
        """
        if content_type not in self._formats:
            return None
        wire = self._formats[content_type]
        if wire is None:
            runner = self._runner_for(path, _UNKNOWN, "connect", is_known=False)
            return ConnectUnary(runner, _codec_of(_UNKNOWN), *self._limits).answer

        def answer(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            handler = None
            if content_type in self._generic_types:
                handler = self._generic_handler(path, scope, wire.protocol)
            runner = self._runner_for(
                path, handler or _UNKNOWN, wire.protocol, is_known=handler is not None
            )
            codec = _codec_of(handler or _UNKNOWN)
            encoded = content_type.encode()
            endpoint = EnvelopedEndpoint(runner, codec, wire, encoded, *self._limits)
            return endpoint.answer(scope, receive, send)

        return answer

    @cached_property
    def _generic(self) -> Sequence[grpc.GenericRpcHandler]:
        return self._generic_handlers()

    def _generic_handler(self, path: str, scope: Scope, protocol: ProtocolName) -> Handler | None:
        metadata = invocation_metadata(scope["headers"])
        details = HandlerCallDetails(path, metadata, protocol)
        try:
            for generic in self._generic:
                handler = generic.service(details)
                if handler is not None:
                    return handler
        except Exception as error:  # whatever they raise ends the call that they were asked about
            return _failing(failure_of(error, path, grpc.StatusCode.OK))
        return None


async def _not_found(_request: object, _context: object) -> NoReturn:
    raise CallError(grpc.StatusCode.UNIMPLEMENTED, "Method not found!", http_status=404)


_UNKNOWN = answering(_not_found)


def _failing(failure: CallError) -> Handler:
    async def fail(_request: object, _context: object) -> NoReturn:
        raise failure

    return answering(fail)


def _codec_of(handler: Handler) -> Codec:
    """The messages of a handler, as it reads and writes them itself."""
    return Codec("proto", decoding(handler) or _as_it_is, handler.response_serializer or _as_it_is)


def _as_it_is(data: bytes) -> bytes:
    return data

"""The paths of RPCs that no generated code describes: most of them there are not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from enum import IntEnum
from functools import cached_property
from typing import NoReturn, TypeAlias

import grpc

from ..calls.response import Answer
from ..calls.runner import CallRunner, FindOther
from ..rpc.handlers import Handler, make_handler
from ..rpc.method_info import Protocol
from ..rpc.status import CallError
from .chooser import FORMATS
from .codecs import BYTES
from .connect_unary import CONTENT_TYPES as UNARY
from .connect_unary import ConnectUnary
from .enveloped import EnvelopedEndpoint
from .enveloped_response import EnvelopedFormat

RunnerFor: TypeAlias = "Callable[[str, Handler, Protocol, FindOther | None], CallRunner]"
"""Makes what runs the calls of a path, as `CallRunner` takes it."""


class Claim(IntEnum):
    """What a gateway has of a service."""

    NONE = 0
    PERHAPS = 1
    OWN = 2


class UnknownRpcPaths:
    """Answers the requests to paths that no RPC of a gateway has.

    By gRPC and gRPC-Web, the generic handlers of servicers are asked, as they are natively: inside
    of all interceptors, so not for strangers where tokens are asked for.

    Args:
        protocols: Those that are spoken.
        runner_for: Makes what runs the calls of a path.
        generic_handlers: Gives the generic handlers; called once, when they are first needed.
        max_message_bytes: The limit for each request message.
    """

    def __init__(
        self,
        protocols: Collection[Protocol],
        runner_for: RunnerFor,
        generic_handlers: Callable[[], Sequence[grpc.GenericRpcHandler]],
        max_message_bytes: int,
    ) -> None:
        self._runner_for = runner_for
        self._generic_handlers = generic_handlers
        self._limits = max_message_bytes, None
        self._formats: dict[str, EnvelopedFormat | None] = {
            content_type: wire
            for wire in FORMATS
            if wire.protocol in protocols
            for content_type in wire.content_types
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
            runner = self._runner_for(path, _UNKNOWN, "connect", None)
            return ConnectUnary(runner, BYTES, *self._limits).answer
        is_generic = wire.protocol != "connect" and wire.content_types[content_type] == "proto"
        find = self._generic_handler if is_generic else None
        runner = self._runner_for(path, _UNKNOWN, wire.protocol, find)
        return EnvelopedEndpoint(runner, BYTES, wire, content_type.encode(), *self._limits).answer

    def claim(self, service: str) -> Claim:
        """Tells whether a service is the gateway's, as far as its handlers tell."""
        named = [
            one.service_name() for one in self._generic if isinstance(one, grpc.ServiceRpcHandler)
        ]
        if service in named:
            return Claim.OWN
        return Claim.NONE if len(named) == len(self._generic) else Claim.PERHAPS

    @cached_property
    def _generic(self) -> Sequence[grpc.GenericRpcHandler]:
        return self._generic_handlers()

    def _generic_handler(self, details: grpc.HandlerCallDetails) -> Handler | None:
        asked = (generic.service(details) for generic in self._generic)
        return next((handler for handler in asked if handler is not None), None)


async def _not_found(_request: object, _context: object) -> NoReturn:
    raise CallError(grpc.StatusCode.UNIMPLEMENTED, "Method not found!", http_status=404)


_UNKNOWN = make_handler((True, True), _not_found)
"""Calls may be of any kind: as streams, they take and give any number of messages."""

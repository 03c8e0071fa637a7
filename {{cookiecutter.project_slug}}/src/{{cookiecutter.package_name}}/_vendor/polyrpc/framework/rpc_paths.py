"""The routes of all RPCs at their own paths, `/{package.Service}/{Method}`, by every protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import grpc

from ..calls.refusals import refuse_request
from ..calls.runner import CallRunner, FindOther
from ..protocols.chooser import PROTOCOLS, RpcPath
from ..protocols.unknown import UnknownRpcPaths
from ..protojson import JsonCodec
from ..rpc.handlers import Handler
from ..rpc.interception import Interception
from ..rpc.method_info import Protocol
from ..rpc.methods import RpcMethod, generic_handlers
from .route import RpcRoute
from .unknown_rpcs import UnknownRpcs

_JSON = "json"
"""The protocol that has paths of its own."""


class RpcPaths:
    """Makes the routes of some RPCs.

    Args:
        methods: The RPCs.
        protocols: What they are to be called by; `json` is for others.
        handlers: All handlers of the gateway by full name.
        interception: Put around them.
        codec: For messages as JSON.
        max_message_bytes: The limit for each request message, after decompression.
        default_timeouts: Seconds for calls that come without a deadline, by full name of the RPC.

    Raises:
        ValueError: A protocol is none.
    """

    def __init__(
        self,
        methods: Sequence[RpcMethod],
        protocols: Sequence[str],
        handlers: Mapping[str, Handler],
        interception: Interception,
        codec: JsonCodec,
        max_message_bytes: int,
        default_timeouts: Mapping[str, float | None],
    ) -> None:
        known = (_JSON, *PROTOCOLS)
        for name in protocols:
            if name not in known:
                raise ValueError(f"protocols: {name!r} is none of {', '.join(known)}")
        self._protocols = [protocol for protocol in PROTOCOLS if protocol in protocols]
        self._handlers = handlers
        self._interception = interception
        self._max_message_bytes = max_message_bytes
        self._servicers = [rpc.servicer for rpc in methods]
        self._paths = [
            RpcPath(
                rpc,
                self._protocols,
                self._runner_for,
                codec,
                max_message_bytes,
                default_timeouts.get(rpc.full_name),
            )
            for rpc in (methods if self._protocols else ())
        ]

    def routes(self) -> list[RpcRoute]:
        """Makes a route handler for each RPC."""
        return [
            RpcRoute(
                path.path,
                path.methods,
                path.answer_to,
                (),
                refuse_request,
                path.straight,
            )
            for path in self._paths
        ]

    def register_unknown(self, routes: list[Any], base_path: str) -> None:
        """Adds the route of what looks like an RPC and is none.

        Args:
            routes: The application's.
            base_path: Where the handlers are registered.
        """
        if self._protocols:
            unknown = UnknownRpcPaths(
                self._protocols, self._runner, self._generic_handlers, self._max_message_bytes
            )
            known = [path.path for path in self._paths]
            UnknownRpcs.among(routes, base_path).add(known, unknown)

    def _runner_for(self, rpc: RpcMethod, protocol: Protocol) -> CallRunner:
        bound = self._interception.bind(rpc, protocol)
        handlers = {**self._handlers, bound.full_name: bound.handler}
        return CallRunner(
            bound.full_name, bound.handler, bound.descriptor, handlers, self._interception, protocol
        )

    def _runner(
        self, path: str, handler: Handler, protocol: Protocol, find_other: FindOther | None
    ) -> CallRunner:
        return CallRunner(
            path, handler, None, self._handlers, self._interception, protocol, find_other
        )

    def _generic_handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        return generic_handlers({id(servicer): servicer for servicer in self._servicers}.values())

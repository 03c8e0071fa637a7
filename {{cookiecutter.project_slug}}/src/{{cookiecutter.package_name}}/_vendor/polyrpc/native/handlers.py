"""The handlers of the `grpc.aio` server: guard, interceptors and servicer of an RPC in one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import grpc

from ..rpc.handlers import Handler, make_handler
from ..rpc.interception import Interception
from ..rpc.methods import RpcMethod
from .graceful_stop import GracefulStop
from .guard import guarded
from .serving import Kind, serving

_ANY_KIND = True, True
"""RPCs that are not known are served as this one: it takes and gives any number of messages."""


class NativeHandlers(grpc.GenericRpcHandler):
    """All handlers, ready to run. Asked for one, it takes the RPC for one that is not known.

    Args:
        methods: The RPCs of the server.
        interception: Put around each of them, and around all others.
        default_timeouts: Seconds for calls that come without a deadline, by full name of the RPC.
        departure: Through which all calls pass.
        generic_handlers: Asked, in this order, for the handlers of all other RPCs.

    Attributes:
        registered: The handlers of `methods`, by the full names of these.
    """

    def __init__(
        self,
        methods: Iterable[RpcMethod],
        interception: Interception,
        default_timeouts: Mapping[str, float | None],
        departure: GracefulStop,
        generic_handlers: Sequence[grpc.GenericRpcHandler] = (),
    ) -> None:
        self._interception = interception
        self._default_timeouts = default_timeouts
        self._departure = departure
        self._generic_handlers = generic_handlers
        self._servicers = {method.full_name: method.handler for method in methods}
        self.registered: Mapping[str, Handler] = {
            rpc: self._handler(
                rpc, (handler.request_streaming, handler.response_streaming), handler
            )
            for rpc, handler in self._servicers.items()
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        """Follows `grpc.GenericRpcHandler.service`."""
        return self._handler(handler_call_details.method, _ANY_KIND, None)

    def _handler(self, rpc: str, kind: Kind, handler: Handler | None) -> Handler:
        serve = partial(serving, kind=kind)
        run = self._interception.around(rpc, "grpc", handler, serve, self._find)
        timeout = self._default_timeouts.get(rpc)
        guard = guarded(run, rpc, timeout, self._departure, response_streaming=kind[1])
        return make_handler(kind, guard)

    def _find(self, details: grpc.HandlerCallDetails, _request: object) -> Handler | None:
        found = self._servicers.get(details.method)
        if found is not None:
            return found
        asked = (generic.service(details) for generic in self._generic_handlers)
        return next((handler for handler in asked if handler is not None), None)

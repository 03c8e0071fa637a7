"""The seam to the framework: one route handler per RPC, which leaves the request to the gateway."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import grpc

from ..calls.http_stream import BeginAnswer
from ..calls.incoming import Receive
from ..calls.refusals import send_failure
from ..calls.response import Answer, Send, answer_all
from ..calls.runner import Scope
from ..openapi.operation import Operation
from ..rpc.status import CallError
from ..transcoding.http_methods import with_head
from .imports import HTTPHandler


class RpcRoute(HTTPHandler):
    """A handler that answers by itself.

    It stands in the application's routes and documentation as any other does, but runs none of
    the framework's signature, dependency and response machinery: protobuf defines all of that here.

    Args:
        path: The path below the registration's `base_path`.
        methods: The HTTP methods that it answers.
        answer_to: Makes what answers requests of an HTTP method.
        operations: What the OpenAPI document says of the RPC.
        refuse: Sends the failure of a request with another method.
        straight: Gives what answers requests with `POST` without ASGI, by a scope of ASGI, or
            None; None: nothing does.

    Attributes:
        answers: Who answers, by HTTP method.
    """

    _signature_model: Any = None

    def __init__(
        self,
        path: str,
        methods: Sequence[str],
        answer_to: Callable[[str], Answer],
        operations: Sequence[Operation],
        refuse: Callable[[Send, CallError], Awaitable[None]] = send_failure,
        straight: Callable[[Scope], BeginAnswer | None] | None = None,
    ) -> None:
        methods = with_head(methods)
        super().__init__(
            path=path,
            methods=methods,
            name=path.strip("/").replace("/", "_"),
            status_code=200,
            include_in_schema=False,
        )
        self.fn = _answered_by_the_gateway
        self.validate_handler()
        self.operations = operations
        self.answers: Mapping[str, Answer] = {method: answer_to(method) for method in self.methods}
        self._refuse = refuse
        self.straight = straight
        self._allow = ", ".join(methods).encode("ascii")

    def create_signature_model(self, is_websocket: bool = False) -> None:
        """Follows the framework's, which would make the same model for each handler."""
        self.signature_model = RpcRoute._signature_model
        super().create_signature_model(is_websocket)
        RpcRoute._signature_model = self.signature_model

    def handle_dispatch(self, scope: Any, receive: Any, send: Any) -> Any:
        """Makes what answers the request, which the framework awaits.

        It is called for every HTTP method, so it checks the method itself.
        """
        answer = self.answers.get(scope["method"])
        if answer is None:
            return self._refuse(send, method_not_allowed(self._allow))
        return answer_alone(answer, scope, receive, send)


async def answer_alone(answer: Answer, scope: Any, receive: Receive, send: Send) -> None:
    """Answers on the general way, where the framework tries the next route if nothing was sent.

    That happens with clients that have gone; they could reach a route behind an RPC, unguarded.
    """
    has_sent = False

    async def send_noting(event: Any) -> None:
        nonlocal has_sent
        has_sent = True
        await send(event)

    await answer_all(answer, scope, receive, send_noting)
    if not has_sent:
        await send_failure(send, CallError(grpc.StatusCode.CANCELLED, "the client has gone"))


def method_not_allowed(allow: bytes) -> CallError:
    """The failure of a request whose method is none of `allow` (a comma-separated list)."""
    return CallError(
        grpc.StatusCode.UNIMPLEMENTED,
        f"the method must be one of: {allow.decode('ascii')}",
        http_status=405,
        headers=((b"allow", allow),),
    )


async def _answered_by_the_gateway() -> None:
    """What the framework inspects in place of a handler function."""

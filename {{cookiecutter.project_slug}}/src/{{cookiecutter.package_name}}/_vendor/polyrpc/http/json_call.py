"""A call by JSON, and the short way of the usual one: its body is its one message."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from google.protobuf.descriptor import MethodDescriptor

from ..calls.body import whole_body
from ..calls.call import Call, Handler, is_direct, serving, succeeds
from ..calls.incoming import Receive
from ..calls.messages import RequestMessages
from ..calls.response import Encoder
from ..protojson import JsonError
from ..rpc.handlers import Context, RpcFunction, adapt
from .request import BodyMessage, Decoder, malformed
from .response import StreamResponse


class JsonCall(Call):
    """A call whose messages are JSON texts, or `google.api.HttpBody`.

    Attributes:
        is_plain: Its request is one message, and the whole body, as is usual.
        decode: Reads a message.
        stream: Where messages go if they can be many.
    """

    is_plain = False
    stream: StreamResponse | None = None

    def __init__(
        self,
        scope: Mapping[str, Any],
        receive: Receive,
        decode: Decoder,
        encode: Encoder,
        max_body_bytes: int,
    ) -> None:
        # As the classes above do it, in one step.
        self.scope = scope
        self.receive = receive
        self.decode = decode
        self.encode = encode
        self.max_body_bytes = max_body_bytes

    @cached_property
    def messages(self) -> RequestMessages:  # type: ignore[override]  # it is set, or else this
        """Where messages come from. Plain calls that wait for nothing need not have it."""
        return BodyMessage(self.decode, self.max_body_bytes)


def serving_json(handler: Handler, method: MethodDescriptor) -> RpcFunction:
    """Makes what `serving` makes, with a short way for plain calls."""
    serve = serving(handler, method)
    if not is_direct(handler, method):
        return serve
    run = adapt(handler)

    async def serve_body(call: Any, context: Context) -> None:
        if not call.is_plain:
            await serve(call, context)
            return
        # As there, in as few steps as there can be: they are what a call costs.
        if call.lifetime is not None or call.chunks is not None:
            body = await whole_body(call, call.max_body_bytes)
        else:
            call.is_reading = True
            try:
                event = await call.receive()
            except BaseException:
                call.stopped_reading()
                raise
            body = event.get("body", b"")
            if (
                call.lifetime is not None
                or event.get("more_body", False)
                or len(body) > call.max_body_bytes
                or event["type"] == "http.disconnect"
            ):
                call.take(event)
                call.stopped_reading()
                body = await whole_body(call, call.max_body_bytes)
            else:
                call.body_ended, call.is_reading = True, False
        try:
            request = call.decode(body)
        except JsonError as error:
            raise malformed(error) from None
        result = await run(request, context)
        if call.code_set is None or succeeds(call):
            call.body = call.encode(result)

    return serve_body

"""The short way of the usual call: its body is its one message."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor

from ..rpc.handlers import Context, RpcFunction, adapt
from ..rpc.status import CallError
from .call import Handler, is_direct, serving, succeeds


def serving_plain(
    handler: Handler, method: MethodDescriptor, unreadable: type[Exception] | tuple[()] = ()
) -> RpcFunction:
    """Makes what `serving` makes, with a short way for plain calls.

    Args:
        handler: As `serving` has it.
        method: As `serving` has it.
        unreadable: What `decode` raises, whose text is the caller's to know, besides `CallError`.
    """
    serve = serving(handler, method)
    if not is_direct(handler, method):
        return serve
    run = adapt(handler)

    async def serve_body(call: Any, context: Context) -> None:
        # As there, in as few steps as there can be: they are what a call costs.
        request = None
        if not call.is_plain:
            request = call.plain_request()
        elif call.lifetime is None and call.chunks is None:
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
            else:
                call.is_reading = False
                try:
                    request = call.decode(body)
                except unreadable as error:
                    raise CallError(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from None
                if request is None:
                    call.take(event)
                else:
                    call.body_ended = True
        if request is None:
            await serve(call, context)
            return
        result = await run(request, context)
        if call.code_set is None or succeeds(call):
            if call.stream is None:
                call.body = call.encode(result)
            else:  # An interceptor has put the handler in the place of one that answers a stream.
                await call.stream.message(result, call)

    return serve_body

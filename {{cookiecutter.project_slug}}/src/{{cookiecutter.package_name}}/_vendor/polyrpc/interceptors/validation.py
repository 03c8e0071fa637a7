"""Validation of requests by the rules in their `.proto` (https://protovalidate.com)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from ..rpc.handlers import Context
from ..rpc.interceptors import CallNext, Interceptor
from ..rpc.method_info import MethodInfo


class Validation(Interceptor):
    """Refuses requests that break a `buf.validate` rule of their `.proto`.

    They end with INVALID_ARGUMENT and `google.rpc.BadRequest` details, one violation for each rule
    that is broken. Of a stream, each message is checked when it is read.

    Raises:
        ImportError: The extra `validate` is not installed.
    """

    def __init__(self) -> None:
        try:
            import protovalidate
        except ImportError as error:
            raise ImportError(
                "Validation needs protovalidate among the dependencies of the service, or the "
                f"extra 'validate' of this package: {error}"
            ) from None
        self._violations = protovalidate.collect_violations

    async def intercept(
        self, call_next: CallNext, request: Any, context: Context, method: MethodInfo
    ) -> Any:
        """Follows `Interceptor.intercept`."""
        if method.request_streaming:
            request = self._checked(request, context)
        else:
            await self._check(request, context)
        return await call_next(request, context)

    async def _checked(self, requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        async for request in requests:
            await self._check(request, context)
            yield request

    async def _check(self, request: Any, context: Context) -> None:
        violations = self._violations(request)
        if not violations:
            return
        fields = [
            error_details_pb2.BadRequest.FieldViolation(
                field=_path(violation.proto.field), description=violation.proto.message
            )
            for violation in violations
        ]
        detail = any_pb2.Any()
        detail.Pack(error_details_pb2.BadRequest(field_violations=fields))
        first = fields[0]
        status = status_pb2.Status(
            code=code_pb2.INVALID_ARGUMENT,
            message=f"{first.field}: {first.description}" if first.field else first.description,
            details=[detail],
        )
        await context.abort_with_status(rpc_status.to_status(status))


def _path(field: Any) -> str:
    """The path of a field, such as `items[2].name` or `prices["EUR"]`."""
    path = ""
    for element in field.elements if field is not None else ():
        path += f".{element.field_name}" if path else element.field_name
        if element.subscript is not None:
            key = element.subscript.value
            path += f'["{key}"]' if isinstance(key, str) else f"[{key}]"
    return path

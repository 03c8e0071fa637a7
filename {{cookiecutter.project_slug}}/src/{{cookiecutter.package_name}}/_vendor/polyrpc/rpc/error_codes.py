"""The team's own exceptions as status codes, on every protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc

from .handlers import Context, RpcFunction
from .interception import MethodInterceptor
from .method_info import Protocol
from .status import CallError


class ErrorCodes(MethodInterceptor):
    """Ends calls whose servicer or interceptors raise an exception of a known class with its code.

    The detail is `str(exception)`. A class stands for its subclasses too, unless they have a code
    of their own. Errors that are RPC errors already stay what they are.

    Args:
        codes: By class.

    Raises:
        TypeError: A key is no class of exceptions, or a value no failing `grpc.StatusCode`.
    """

    def __init__(self, codes: Mapping[type[Exception], grpc.StatusCode]) -> None:
        for kind, code in codes.items():
            if not (isinstance(kind, type) and issubclass(kind, Exception)):
                raise TypeError(f"errors: {kind!r} is no class of exceptions")
            if not isinstance(code, grpc.StatusCode) or code is grpc.StatusCode.OK:
                raise TypeError(
                    f"errors: {kind.__name__} needs a grpc.StatusCode other than OK, not {code!r}"
                )
        self._codes = dict(codes)

    def wrap(self, rpc: str, protocol: Protocol, run: RpcFunction) -> RpcFunction:  # noqa: ARG002 - the same for all
        """Follows `MethodInterceptor.wrap`."""
        codes = self._codes

        async def run_with_codes(request: Any, context: Context) -> Any:
            try:
                return await run(request, context)
            except (CallError, grpc.RpcError, grpc.aio.AbortError):
                raise
            except tuple(codes) as error:
                kind = next(kind for kind in type(error).__mro__ if kind in codes)
                raise CallError(codes[kind], str(error)) from error

        return run_with_codes

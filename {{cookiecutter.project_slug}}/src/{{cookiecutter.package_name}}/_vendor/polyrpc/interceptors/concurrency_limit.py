"""How many calls the process serves at a time, by all protocols together."""

from __future__ import annotations

from typing import Any

import grpc

from ..rpc.handlers import Context, RpcFunction
from ..rpc.status import CallError


class ConcurrencyLimit:
    """Refuses calls with RESOURCE_EXHAUSTED while there are as many as there may be.

    Args:
        limit: How many there may be at a time.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._served = 0

    def limited(self, run: RpcFunction) -> RpcFunction:
        """Makes the calls of `run` count, and subject to the limit.

        One whose request is still on its way takes no place: clients that send it slowly, or never,
        would keep the others out.
        """

        async def run_within_limit(request: Any, context: Context) -> Any:
            # Native calls begin when the request is there.
            arrived = getattr(context, "request_arrived", None)
            if arrived is not None:
                await arrived()
            if self._served >= self._limit:
                raise CallError(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"{self._limit} calls are being served, which is the limit; try again later",
                )
            self._served += 1
            try:
                return await run(request, context)
            finally:
                self._served -= 1

        return run_within_limit

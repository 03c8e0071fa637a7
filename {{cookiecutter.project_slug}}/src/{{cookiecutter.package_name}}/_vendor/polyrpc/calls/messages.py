"""Where the request messages of a call come from; each wire format has classes of its own."""

from __future__ import annotations

from typing import Any, NoReturn, Protocol

from ..rpc.status import CallError
from .incoming import Incoming


class RequestMessages(Protocol):
    """The request messages of a call."""

    async def next(self, incoming: Incoming) -> Any:
        """Waits for the next message.

        Args:
            incoming: What it is taken from.

        Returns:
            None after the last one.

        Raises:
            CallError: It is no such message (INVALID_ARGUMENT), is too large
                (RESOURCE_EXHAUSTED), or the client has gone (CANCELLED).
        """


class RefusedRequest:
    """A request that cannot be read: it is of a wrong type, or announces too much."""

    def __init__(self, refusal: CallError) -> None:
        self._refusal = refusal

    async def next(self, _incoming: Incoming) -> NoReturn:
        raise self._refusal

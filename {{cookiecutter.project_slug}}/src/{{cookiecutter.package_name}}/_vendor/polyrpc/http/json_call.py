"""A call by JSON."""

from __future__ import annotations

from functools import cached_property

from ..calls.messages import RequestMessages
from ..calls.plain_call import PlainCall
from .request import BodyMessage
from .response import StreamResponse


class JsonCall(PlainCall):
    """A call whose messages are JSON texts, or `google.api.HttpBody`.

    Attributes:
        stream: Where messages go if they can be many.
    """

    stream: StreamResponse | None = None

    @cached_property
    def messages(self) -> RequestMessages:  # type: ignore[override]  # it is set, or else this
        """Where messages come from. Plain calls that wait for nothing need not have it."""
        return BodyMessage(self.decode, self.max_body_bytes)

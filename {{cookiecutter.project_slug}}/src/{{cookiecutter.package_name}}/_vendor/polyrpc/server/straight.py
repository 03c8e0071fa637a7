"""Answers straight on streams of HTTP/2, for applications that offer that besides ASGI.

ASGI wants a scope for each request, and an event for each part of what comes and goes, which is
more than a small call is.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any, Protocol

from .http2_stream import Stream

TIMEOUTS = frozenset((b"grpc-timeout", b"connect-timeout-ms"))
"""Headers that say how long a call may take: with a deadline, something else in each call."""


class BeginAnswer(Protocol):
    """What answers requests."""

    def __call__(self, stream: Stream, /) -> Coroutine[Any, Any, None]:
        """Makes the handler of a stream, and what has to run to answer it."""

    def with_timeout(
        self, headers: list[tuple[bytes, bytes]], name: bytes, value: bytes, /
    ) -> BeginAnswer | None:
        """What answers requests that differ in nothing but one of `TIMEOUTS`.

        Args:
            headers: Theirs.
            name: Which one.
            value: Its value.

        Returns:
            None: it is to be found as that of any other request.
        """


class StraightAnswers(Protocol):
    """What an application answers without ASGI, until it changes.

    Its attribute `straight_answers` is a function that gives the same table as long as that holds.
    """

    def find(self, scope: Mapping[str, Any]) -> BeginAnswer | None:
        """Finds what answers all requests that say this; None: they go by ASGI.

        Args:
            scope: As ASGI has it; of several requests that say the same it may be one.
        """

"""What a server and those who answer have to agree upon, besides ASGI.

ASGI wants a scope for each request, and an event for each part of what comes and goes, which is
more than a small call is: over HTTP/2, usual ones are answered straight on their streams.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, Protocol

from ..rpc.metadata import Headers

TRAILERS = "http.response.trailers"
"""The extension of ASGI with which a response may have trailers."""

REQUEST_STREAM = "polyrpc.request_stream"
"""An extension of the ASGI scope: a function of no arguments, with which an application says that
the request's body is a stream, whose client may pause between chunks for as long as it likes."""

ON_DISCONNECT = "polyrpc.on_disconnect"
"""An extension of the ASGI scope: takes a function of no arguments, and calls it once the client
has gone, for an application that receives nothing for a while, and so does not hear of that."""

_Headers = Iterable[tuple[bytes, bytes]]


class HttpStream(Protocol):
    """A request and its response, as the server has them.

    Attributes:
        handler: Is told when something of the body has arrived, and when the client has gone.
        more_body: The body of the request has not all arrived.
        sent: How many bytes of the response's body were sent.
    """

    handler: Any
    more_body: bool
    sent: int

    def let_pause(self) -> None:
        """The body is a stream, whose client may take its time."""

    def read(self) -> bytes:
        """Takes what has arrived of the body, so that the client may send more."""

    def send_headers(self, status: int, headers: _Headers) -> None:
        """Begins the response."""

    async def send(self, data: bytes, *, end: bool = False) -> None:
        """Sends a part of the response's body, as fast as the client takes it."""

    def send_now(self, data: bytes) -> bool:
        """Does that where the client takes all of it now, and returns whether it has."""

    def send_trailers(self, headers: _Headers) -> None:
        """Ends the response with trailers."""

    def send_whole(
        self,
        constant: tuple[tuple[bytes, bytes], ...],
        headers: _Headers,
        data: bytes,
        trailers: _Headers | None,
    ) -> bool:
        """Sends a whole response with status 200, where the client takes all of it now."""

    def fail(self) -> None:
        """Ends the stream in the middle of the response, for no fault of the client's."""


class BeginAnswer(Protocol):
    """What answers requests straight on streams of HTTP/2."""

    def __call__(self, stream: HttpStream, /) -> Coroutine[Any, Any, None]:
        """Makes the handler of a stream, and what has to run to answer it."""

    def with_timeout(self, headers: Headers, name: bytes, value: bytes, /) -> BeginAnswer | None:
        """What answers requests that differ in nothing but in how long their calls may take.

        Args:
            headers: Theirs.
            name: The one that says so.
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

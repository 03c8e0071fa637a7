"""What the headers of a request say of the call, whichever protocol they are of."""

from __future__ import annotations

from typing import NamedTuple

from .compression import Decompress


class Compressing(NamedTuple):
    """How messages may be, or are, compressed.

    Attributes:
        decompress: Undoes the compression that the request has named; None: it has named none.
        accepts_gzip: Responses may be compressed.
        prefers_gzip: They are, unless the servicer says otherwise.
    """

    decompress: Decompress | None = None
    accepts_gzip: bool = False
    prefers_gzip: bool = False


class RequestHead(NamedTuple):
    """What is to be known of a call before its messages are read.

    Attributes:
        timeout: Seconds until the deadline; None: the caller has set none.
        compressing: Of messages.
    """

    timeout: float | None = None
    compressing: Compressing = Compressing()


UNREADABLE = RequestHead()
"""Of a request whose headers are refused."""

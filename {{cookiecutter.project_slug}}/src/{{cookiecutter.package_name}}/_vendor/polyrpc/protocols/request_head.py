"""What the headers of a request say of the call, whichever protocol they are of."""

from __future__ import annotations

from dataclasses import dataclass

from .compression import Decompress


@dataclass(frozen=True, slots=True)
class RequestHead:
    """What is to be known of a call before its messages are read.

    Attributes:
        timeout: Seconds until the deadline; None: the caller has set none.
        decompress: Undoes the compression that the request has named; None: it has named none.
        accepts_gzip: Responses may be compressed.
        prefers_gzip: They are, unless the servicer says otherwise.
    """

    timeout: float | None = None
    decompress: Decompress | None = None
    accepts_gzip: bool = False
    prefers_gzip: bool = False


UNREADABLE = RequestHead()
"""Of a request whose headers are refused."""

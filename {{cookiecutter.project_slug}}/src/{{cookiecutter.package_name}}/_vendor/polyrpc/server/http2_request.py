"""What a request over HTTP/2 says, as ASGI has it, and what is wrong with it (RFC 9113, 8.3)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ..calls.http_stream import BeginAnswer
from ..calls.timeouts import READERS
from .framing import is_host
from .refusals import HOST, NOT_TEXT, TOO_LARGE, Refusal, Refused

if TYPE_CHECKING:
    import zttp

MAX_FIELDS = 128
"""How many header fields a request may have. Compressed, one takes a byte of the wire; decoded, it
takes a hundred and more of memory, for as long as its call lasts (RFC 7541, section 7.3)."""

# Whatever is printable, but for what begins a fragment.
_TARGET = re.compile(rb"/[!\"$-~]*")
REMEMBERED = 16
"""How many requests of a client are remembered, for the next that says the same, or almost."""

REMEMBERED_BYTES = 4096
"""How large the headers may be of one that is."""

_UNASKED = object()
_BYTES_OF_A_FIELD = 32  # as RFC 9113 counts them (section 6.5.2)


class Http2Request:
    """What the headers of a request say. Those of a connection that say the same may be one.

    Attributes:
        method: The HTTP method.
        headers: As ASGI has them.
        scope: The part of an ASGI scope that it brings besides.
        length: The declared length of the body; None: none is.
        awaits_continue: Its client waits to be told to send the body (RFC 9110, section 10.1.1).
        refusal: Why it is not served; None: it is.
        size: How large its headers are, as RFC 9113 counts.
        table: What `straight` was found in.
        straight: What answers it without ASGI; None: nothing does.
    """

    __slots__ = (
        "awaits_continue",
        "headers",
        "length",
        "method",
        "refusal",
        "scope",
        "size",
        "straight",
        "table",
    )

    def __init__(self, request: zttp.Request, max_list_bytes: int) -> None:
        self.method = request.method.decode("ascii")
        self.length: int | None = None
        self.awaits_continue = False
        self.refusal: Refusal | None = None
        self.table: object = _UNASKED
        self.straight: BeginAnswer | None = None
        self.size = _BYTES_OF_A_FIELD + len(request.target)
        self.scope: dict[str, Any] = {}
        self.headers: list[tuple[bytes, bytes]] = request.headers  # type: ignore[assignment] # HTTP/2's
        try:
            self.headers = self._read(self.headers)
            if self.size > max_list_bytes:
                raise Refused(TOO_LARGE)
        except Refused as refused:
            self.refusal = refused.refusal
            return
        path = request.path.decode("ascii")
        self.scope = {
            "method": self.method,
            "path": unquote(path) if "%" in path else path,
            "raw_path": request.path,
            "query_string": request.query,
        }

    def with_timeout(
        self, headers: list[tuple[bytes, bytes]], name: bytes, value: bytes
    ) -> Http2Request | None:
        """One that differs in nothing but one header of a time-out, whose value is as long.

        Args:
            headers: As they came.
            name: Which one.
            value: Its value.

        Returns:
            None: all of it is to be read.
        """
        if self.straight is None or len(headers) != len(self.headers):  # by cookies
            return None
        straight = self.straight.with_timeout(headers, name, value)
        if straight is None:
            return None
        other = Http2Request.__new__(Http2Request)
        other.method, other.length, other.size = self.method, self.length, self.size
        other.awaits_continue, other.refusal = self.awaits_continue, None
        other.table, other.straight = self.table, straight
        other.headers, other.scope = headers, self.scope
        return other

    def _read(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        cookies = size = 0
        for name, value in headers:
            size += len(name) + len(value) + _BYTES_OF_A_FIELD
            if name == b"content-length":
                self.length = int(value)
            elif name == b"cookie":
                cookies += 1
            elif name == b"expect":
                self.awaits_continue = value.lower() == b"100-continue"
            elif name == b"host" and not is_host(value):
                raise Refused(HOST)
            if not value.isascii():
                try:
                    value.decode()
                except UnicodeDecodeError:
                    raise Refused(NOT_TEXT) from None
        self.size += size
        if len(headers) > MAX_FIELDS:
            raise Refused(TOO_LARGE)
        return headers if cookies < 2 else _with_one_cookie(headers)


class RequestReader:
    """Reads the headers of one client's requests.

    Those that differ only in how long their calls may take have what is found for them in common.

    Args:
        max_list_bytes: How large they may be, as RFC 9113 counts.
    """

    def __init__(self, max_list_bytes: int) -> None:
        self._max_list_bytes = max_list_bytes
        self._newest: dict[object, Http2Request] = {}

    def read(self, request: zttp.Request) -> Http2Request | None:
        """Reads those of a request.

        Args:
            request: As it was decoded.

        Returns:
            None: it is none that an origin server has, and so malformed.
        """
        headers: list[tuple[bytes, bytes]] = request.headers  # type: ignore[assignment] # HTTP/2's
        others: list[tuple[bytes, bytes]] = []
        timeouts: list[tuple[bytes, bytes]] = []
        for field in headers:
            (timeouts if field[0] in READERS else others).append(field)
        if len(timeouts) != 1:
            return _read_request(request, self._max_list_bytes)
        ((name, value),) = timeouts
        start = request.method, request.target, request.protocol
        key = *start, name, len(value), tuple(others)
        alike = self._newest.get(key)
        found = None if alike is None else alike.with_timeout(headers, name, value)
        if found is None:
            found = _read_request(request, self._max_list_bytes)
        if found is not None and found.size <= REMEMBERED_BYTES:
            if len(self._newest) >= REMEMBERED:
                self._newest.clear()
            self._newest[key] = found
        return found


def _read_request(request: zttp.Request, max_list_bytes: int) -> Http2Request | None:
    target = request.target
    if request.protocol is not None or request.method == b"CONNECT":
        return None
    if target == b"*":
        if request.method != b"OPTIONS":
            return None
    elif _TARGET.fullmatch(target) is None:
        return None
    return Http2Request(request, max_list_bytes)


def _with_one_cookie(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Joins the crumbs that clients make of a cookie, to compress it better (8.2.3)."""
    crumbs = [value for name, value in headers if name == b"cookie"]
    others = [field for field in headers if field[0] != b"cookie"]
    return [*others, (b"cookie", b"; ".join(crumbs))]

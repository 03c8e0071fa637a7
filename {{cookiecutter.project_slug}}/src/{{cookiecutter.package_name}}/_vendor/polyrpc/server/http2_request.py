"""What a request over HTTP/2 says, as ASGI has it, and what is wrong with it (RFC 9113, 8.3)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from .framing import is_host
from .refusals import HOST, NOT_TEXT, TOO_LARGE, Refusal, Refused
from .straight import BeginAnswer

if TYPE_CHECKING:
    import zttp

MAX_FIELDS = 128
"""How many header fields a request may have. Compressed, one takes a byte of the wire; decoded, it
takes a hundred and more of memory, for as long as its call lasts (RFC 7541, section 7.3)."""

# Whatever is printable, but for what begins a fragment.
_TARGET = re.compile(rb"/[!\"$-~]*")
_UNASKED = object()
_BYTES_OF_A_FIELD = 32  # as RFC 9113 counts them (section 6.5.2)


class Http2Request:
    """What the headers of a request say. Those of a connection that say the same may be one.

    Attributes:
        method: The HTTP method.
        headers: As they came.
        scope: The part of an ASGI scope that it brings.
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
            headers = self._read(self.headers)
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
            "headers": headers,
        }

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
                _check_text(value)
        self.size += size
        if len(headers) > MAX_FIELDS:
            raise Refused(TOO_LARGE)
        return headers if cookies < 2 else _with_one_cookie(headers)


def read_request(request: zttp.Request, max_list_bytes: int) -> Http2Request | None:
    """Reads the headers of a request.

    Args:
        request: As it was decoded.
        max_list_bytes: How large they may be, as RFC 9113 counts.

    Returns:
        None: it is none that an origin server has, and so malformed.
    """
    target = request.target
    if request.protocol is not None or request.method == b"CONNECT":
        return None
    if target == b"*":
        if request.method != b"OPTIONS":
            return None
    elif _TARGET.fullmatch(target) is None:
        return None
    return Http2Request(request, max_list_bytes)


def _check_text(value: bytes) -> None:
    try:
        value.decode()
    except UnicodeDecodeError:
        raise Refused(NOT_TEXT) from None


def _with_one_cookie(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Joins the crumbs that clients make of a cookie, to compress it better (8.2.3)."""
    crumbs = [value for name, value in headers if name == b"cookie"]
    others = [field for field in headers if field[0] != b"cookie"]
    return [*others, (b"cookie", b"; ".join(crumbs))]

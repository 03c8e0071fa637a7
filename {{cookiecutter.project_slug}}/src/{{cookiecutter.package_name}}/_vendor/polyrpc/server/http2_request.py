"""What a request over HTTP/2 says, as ASGI has it, and what is wrong with it (RFC 9113, 8.3)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from .framing import is_host
from .refusals import HOST, NOT_TEXT, TOO_LARGE, Refused

if TYPE_CHECKING:
    import zttp

MAX_FIELDS = 128
"""How many header fields a request may have. Compressed, one takes a byte of the wire; decoded, it
takes a hundred and more of memory, for as long as its call lasts (RFC 7541, section 7.3)."""

# Whatever is printable, but for what begins a fragment.
_TARGET = re.compile(rb"/[!\"$-~]*")
_BYTES_OF_A_FIELD = 32  # as RFC 9113 counts them (section 6.5.2)


def is_served(request: zttp.Request) -> bool:
    """Whether it is one that an origin server has: what is no such request is malformed."""
    target = request.target
    if request.protocol is not None or request.method == b"CONNECT":
        return False
    if target == b"*":
        return request.method == b"OPTIONS"
    return _TARGET.fullmatch(target) is not None


def expects_continue(request: zttp.Request) -> bool:
    """Whether its client waits to be told to send the body (RFC 9110, section 10.1.1)."""
    for name, value in request.headers:
        if name == b"expect":
            return bool(value.lower() == b"100-continue")
    return False


def request_scope(request: zttp.Request, max_list_bytes: int) -> dict[str, Any]:
    """Makes the part of an ASGI scope that a request brings.

    Args:
        request: As it was decoded.
        max_list_bytes: How large its headers may be, as RFC 9113 counts.

    Raises:
        Refused: They are too large, too many, or say what cannot be.
    """
    headers: list[tuple[bytes, bytes]] = request.headers  # type: ignore[assignment] # HTTP/2's
    if len(headers) > MAX_FIELDS:
        raise Refused(TOO_LARGE)
    size = _BYTES_OF_A_FIELD + len(request.target)
    cookies = 0
    for name, value in headers:
        size += len(name) + len(value) + _BYTES_OF_A_FIELD
        if name == b"cookie":
            cookies += 1
        elif name == b"host" and not is_host(value):
            raise Refused(HOST)
        if not value.isascii():
            _check_text(value)
    if size > max_list_bytes:
        raise Refused(TOO_LARGE)
    if cookies > 1:
        headers = _with_one_cookie(headers)
    path = request.path.decode("ascii")
    return {
        "method": request.method.decode("ascii"),
        "path": unquote(path) if "%" in path else path,
        "raw_path": request.path,
        "query_string": request.query,
        "headers": headers,
    }


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

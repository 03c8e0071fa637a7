"""What the headers of an HTTP request with JSON say of how to read and answer it."""

from __future__ import annotations

from functools import lru_cache

from ..calls.metadata import check_binary, media_type
from ..calls.timeouts import grpc_timeout
from ..rpc.metadata import Headers
from .negotiation import negotiate

JSON = "application/json"

# What most requests have, so that nothing more is asked of it.
_HARMLESS = frozenset((b"host", b"user-agent", b"accept-encoding", b"connection"))
_UNUSUAL = frozenset((b"content-encoding", b"grpc-timeout", b"upgrade"))
_OF_PAGES = frozenset((b"origin", b"sec-fetch-site"))
_WITHOUT_PREFLIGHT = frozenset(
    ("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data")
)


class RequestHeaders:
    """What the headers of a request say of its body and its answer; ASGI has names in lower case.

    Attributes:
        accept: The `accept` headers, joined by commas; None: there is none.
        content_type: The media type of the body, in lower case; empty: it is not told.
        content_encoding: How the body is encoded, in lower case; empty: not at all.
        content_length: How many bytes the body has; None: it is not told.
        is_chunked: The body has a transfer encoding.
        timeout: `grpc-timeout` in seconds; None: there is none.
        offers_upgrade: The client offers to go on in another protocol.

    Raises:
        CallError: INVALID_ARGUMENT, `grpc-timeout` or binary metadata is malformed.
    """

    accept: str | None = None
    content_type = ""
    content_encoding = ""
    content_length: int | None = None
    is_chunked = False
    timeout: float | None = None
    offers_upgrade = False

    def __init__(self, headers: Headers) -> None:
        for name, value in headers:
            if name == b"content-type":
                self.content_type = media_type(value)
            elif name == b"content-length":
                # A malformed length is for the server to refuse. Python reads no endless numbers.
                self.content_length = int(value[-20:]) if value.isdigit() else None
            elif name == b"upgrade":
                self.offers_upgrade = True
            elif name == b"accept":
                text = value.decode("latin-1")
                self.accept = text if self.accept is None else f"{self.accept},{text}"
            elif name == b"transfer-encoding":
                self.is_chunked = True
            elif name == b"content-encoding":
                self.content_encoding = value.decode("latin-1").strip().lower()
            elif name == b"grpc-timeout":
                self.timeout = grpc_timeout(value)
            elif name.endswith(b"-bin"):
                check_binary(name, value)


def is_plain(headers: Headers, max_length_digits: int) -> bool:
    """Whether a request is the usual one: a JSON body, an answer in JSON, nothing to refuse.

    Of such a request no more needs to be known to begin with.

    Args:
        headers: Its headers.
        max_length_digits: How many digits `content-length` may have.
    """
    has_type = is_from_a_page = False
    for name, value in headers:
        if name in _HARMLESS:
            continue
        if name == b"content-length":
            if len(value) > max_length_digits:
                return False
        elif name == b"content-type":
            if value != b"application/json" and media_type(value) not in ("", JSON):
                return False
            has_type = True
        elif name == b"accept":
            if value != b"*/*" and not _accepts_json(value):
                return False
        elif name in _UNUSUAL or name.endswith(b"-bin"):
            return False
        elif name in _OF_PAGES:
            is_from_a_page = True
    return has_type or not is_from_a_page


def is_forgeable(headers: Headers, content_type: str) -> bool:
    """Whether a page of another site may have had this sent without being asked for leave.

    Browsers send a `POST` from any page, with their user's cookies and from their network, and ask
    beforehand only if it has a content type such as JSON's (https://fetch.spec.whatwg.org, "CORS
    protocol"). They say where it comes from; what is no browser says nothing.
    """
    return content_type in _WITHOUT_PREFLIGHT and is_from_another_site(headers)


def is_from_another_site(headers: Headers) -> bool:
    """Whether a browser says that a page of another origin than this one has sent a request."""
    found = dict(headers)
    origin, site = found.get(b"origin"), found.get(b"sec-fetch-site")
    if site is not None:
        return site not in (b"same-origin", b"none")
    return origin is not None and origin.partition(b"://")[2] != found.get(b"host")


@lru_cache(maxsize=256)
def _accepts_json(accept: bytes) -> bool:
    return negotiate(accept.decode("latin-1"), streaming=False) is not None

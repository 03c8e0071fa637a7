"""Which pages of other origins may read what is answered, whoever answers it.

Follows the CORS protocol (https://fetch.spec.whatwg.org/#http-cors-protocol).
"""

from __future__ import annotations

from collections.abc import Iterable

from .settings import origins_of

Headers = list[tuple[bytes, bytes]]


class Origins:
    """Those whose pages may.

    Args:
        text: As the setting `cors_allow_origins` has them.
    """

    def __init__(self, text: str) -> None:
        self._origins = frozenset(origin.encode("ascii") for origin in origins_of(text))
        self._is_any = b"*" in self._origins

    def has(self, origin: bytes | None) -> bool:
        """Whether pages of this origin may."""
        return self._is_any or origin in self._origins

    def allowed(self, origin: bytes | None) -> Headers:
        """What a response says of it to a page of this origin."""
        if self._is_any:
            # Never with credentials: any page could act in the name of whoever looks at it.
            return [(b"access-control-allow-origin", b"*")]
        if origin is None or not self.has(origin):
            return [(b"vary", b"origin")]
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"vary", b"origin"),
        ]

    def allowed_to(self, request_headers: Iterable[tuple[bytes, bytes]]) -> Headers:
        """The same for the page that has sent a request with these headers."""
        return self.allowed(dict(request_headers).get(b"origin"))

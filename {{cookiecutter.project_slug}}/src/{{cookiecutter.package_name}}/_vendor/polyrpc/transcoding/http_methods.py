"""What HTTP methods mean to the gateway, whichever route they come by."""

from __future__ import annotations

from collections.abc import Iterable

_IN_QUERY = frozenset(("GET", "HEAD", "DELETE"))


def message_is_in_query(http_method: str) -> bool:
    """Whether an RPC's own route reads the message from the query string, not from the body."""
    return http_method in _IN_QUERY


def with_head(http_methods: Iterable[str]) -> list[str]:
    """Adds `HEAD` to methods with `GET`: it is answered wherever that is (RFC 9110, 9.3.2)."""
    methods = list(http_methods)
    return [*methods, "HEAD"] if "GET" in methods and "HEAD" not in methods else methods

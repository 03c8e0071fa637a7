"""Who may call: bearer tokens (RFC 6750).

Another scheme, such as JWTs, is an `Interceptor` of the service's own, which says who calls by its
`set_caller`.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, NoReturn, Self

import grpc

from ..rpc.caller import Caller, set_caller
from ..rpc.handlers import Context, RpcFunction
from ..settings import ServiceSettings

CHALLENGE = "Bearer"
DETAIL = "A valid bearer token is required"
SECURITY_SCHEMES = {"bearer": {"type": "http", "scheme": "bearer"}}

Metadata = Iterable[tuple[str, str | bytes]]


class Tokens:
    """The tokens that are accepted.

    Args:
        tokens: Separated by commas; white space around them does not count.
    """

    def __init__(self, tokens: str) -> None:
        # Digests have one length, so that comparing them tells nothing of the tokens' lengths.
        self._callers = [
            (digest, Caller(f"token-{digest.hex()[:8]}"))
            for digest in (_digest(token.strip()) for token in tokens.split(",") if token.strip())
        ]

    @classmethod
    def from_settings(cls, settings: ServiceSettings) -> Self | None:
        """Makes the tokens that callers need; None: they need none."""
        tokens = settings.auth_tokens
        return None if tokens is None else cls(tokens.get_secret_value())

    def admit(self, metadata: Metadata) -> bool:
        """Tells whether who sends this invocation metadata may call, and makes it the caller."""
        for key, value in metadata:
            if key == "authorization" and isinstance(value, str):
                scheme, _, token = value.partition(" ")
                found = self._find(token.strip()) if scheme.lower() == "bearer" else None
                if found is not None:
                    set_caller(found)
                return found is not None
        return False

    def _find(self, token: str) -> Caller | None:
        presented = _digest(token)
        found = None
        for digest, identity in self._callers:
            if hmac.compare_digest(digest, presented):
                found = identity
        return found


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()


def guarded(tokens: Tokens, run: RpcFunction) -> RpcFunction:
    """Makes the calls of `run` those of known callers only."""

    async def run_for_caller(request: Any, context: Context) -> Any:
        admitted = tokens.admit(context.invocation_metadata() or ())
        return await (run if admitted else refuse)(request, context)

    return run_for_caller


async def refuse(_request: object, context: Context) -> NoReturn:
    """Answers an RPC of a stranger, of whatever kind it is."""
    await context.send_initial_metadata((("www-authenticate", CHALLENGE),))
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, DETAIL)

"""The call that the running task serves, and who makes it: whoever has found out says so here.

Interceptors, servicers and the request log read it from one place, which is the context of the
call itself: an interceptor may run in a task of its own, whose context variables nobody else sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import grpc

CALL: ContextVar[grpc.aio.ServicerContext[Any, Any] | None] = ContextVar("call", default=None)
"""Its context. Tasks that the handler has started, and that outlive the call, still see it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call.

    Attributes:
        name: What log lines call it. For one of `AUTH_TOKENS`, a name of the token that is the same
            in every process and does not give it away.
        claims: What else is known, such as the claims of a JWT; the log has nothing of it.
    """

    name: str
    claims: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)


_of_task: ContextVar[Caller | None] = ContextVar("caller", default=None)
"""Of what is no call of an RPC, or of one in a gateway that stands alone."""


def caller() -> Caller | None:
    """Tells a servicer, an interceptor or a route who makes the call; None: nobody has said so.

    Where `AUTH_TOKENS` are asked for, it is the owner of the token. `Interceptor.set_caller` says
    another one.
    """
    call: Any = CALL.get()
    return _of_task.get() if call is None else call.caller


def set_caller(identity: Caller) -> None:
    """Makes `identity` the caller of the call that the running task serves."""
    call: Any = CALL.get()
    if call is None:
        _of_task.set(identity)
    else:
        call.caller = identity

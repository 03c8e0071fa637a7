"""The call that the running task serves, for what is called on its behalf."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import grpc

CALL: ContextVar[grpc.aio.ServicerContext[Any, Any] | None] = ContextVar("call", default=None)
"""Its context. Tasks that the handler has started, and that outlive the call, still see it."""

"""Cross-cutting concerns, written once and run for the calls of every protocol.

They know nothing of any one service, whose own interceptors run inside them.
"""

from __future__ import annotations

from ..rpc.interception import MethodInterceptor
from ..settings import ServiceSettings
from .auth import Tokens
from .concurrency_limit import ConcurrencyLimit
from .metrics import Metrics
from .standard import StandardInterceptor
from .tracing import tracing_from_environment


def standard_interceptors(
    settings: ServiceSettings, metrics: Metrics | None = None
) -> list[MethodInterceptor]:
    """Makes the interceptors that `settings` and the `OTEL_*` variables ask for, outermost first.

    Args:
        settings: The settings.
        metrics: Where calls are counted; None: where nobody else looks.

    Raises:
        SettingsError: `OTEL_*` variables ask for traces, but the extra `otel` is not installed.
    """
    limit = settings.max_concurrent_rpcs
    return [
        StandardInterceptor(
            tokens=tokens_of(settings),
            limit=None if limit is None else ConcurrencyLimit(limit),
            traced=tracing_from_environment(),
            metrics=metrics,
        )
    ]


def tokens_of(settings: ServiceSettings) -> Tokens | None:
    """Makes the tokens that callers need; None: they need none."""
    tokens = settings.auth_tokens
    return None if tokens is None else Tokens(tokens.get_secret_value())

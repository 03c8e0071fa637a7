"""What an interceptor that does nothing adds to a call, in functions that are called."""

from __future__ import annotations

from typing import Any

import pytest
from polyrpc import Interceptor
from polyrpc.framework.imports import Application, register_grpc_http_routes
from serving import EchoService, UnchangedLogging, gateway_of
from test_hot_path import count_calls, http_call

# The wrapper and `intercept` itself.
MOST_FUNCTIONS = 3


class Nothing(Interceptor):
    async def intercept(self, call_next: Any, request: Any, context: Any, method: Any) -> Any:
        return await call_next(request, context)


def application(*interceptors: Interceptor) -> Any:
    app = Application(logging_config=UnchangedLogging(), enable_openapi=False)
    gateway = gateway_of(EchoService, http_methods=["POST"], interceptors=interceptors)
    register_grpc_http_routes(app, [gateway])
    return app


@pytest.mark.parametrize("number", [1, 3])
async def test_an_interceptor_keeps_a_call_on_its_short_way(number: int) -> None:
    without = await count_calls(http_call(application()))
    with_some = await count_calls(http_call(application(*[Nothing() for _ in range(number)])))
    assert with_some - without <= MOST_FUNCTIONS * number

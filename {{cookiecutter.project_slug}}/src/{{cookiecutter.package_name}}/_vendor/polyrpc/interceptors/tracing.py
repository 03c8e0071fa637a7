"""Traces, with OpenTelemetry: one server span for each RPC, a child of the caller's span.

Nothing of OpenTelemetry is imported unless its own environment variables ask for traces. All of it
is configured by them: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import grpc

from ..rpc.errors import final_code
from ..rpc.handlers import Context, RpcFunction
from ..rpc.method_info import MethodInfo
from ..settings import SettingsError

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_EXPORTER = "OTEL_TRACES_EXPORTER"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")

# The codes that OpenTelemetry's conventions count as errors of a gRPC server.
_ERRORS = frozenset(
    (
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    )
)

Traced = Callable[[MethodInfo, RpcFunction], RpcFunction]
"""Puts each call of a function into a span."""


def tracing_from_environment(environment: Mapping[str, str] = os.environ) -> Traced | None:
    """Starts to export traces where the environment asks for it.

    Returns:
        None: no traces.

    Raises:
        SettingsError: They are asked for, but the libraries for that are not installed.
    """
    if not _wanted(environment):
        return None
    try:
        return _traced(_tracer(environment))
    except ImportError as error:
        variable = next(name for name in (_EXPORTER, *_ENDPOINTS) if environment.get(name))
        raise SettingsError(
            f"{variable} asks for traces, which need the extra 'otel' of this package: EXTRAS=otel "
            f"for nox, --build-arg EXTRAS=otel for an image: {error}"
        ) from None


def current_trace_id() -> str | None:
    """The id of the trace that the running task is in, as W3C's `traceparent` has it."""
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else None


def _wanted(environment: Mapping[str, str]) -> bool:
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environment.get(_EXPORTER)
    if exporter:
        return exporter != "none"
    return any(environment.get(name) for name in _ENDPOINTS)


def _tracer(environment: Mapping[str, str]) -> Tracer:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # Another one is there when the process was started by opentelemetry-instrument.
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        provider = TracerProvider()
        for name in (environment.get(_EXPORTER) or "otlp").split(","):
            exporter = _exporter(name.strip(), environment)
            provider.add_span_processor(BatchSpanProcessor(exporter))
        trace.set_tracer_provider(provider)
    return trace.get_tracer(__name__)


def _exporter(name: str, environment: Mapping[str, str]) -> Any:
    entry_point = name
    if name == "otlp":
        protocol = next(filter(None, map(environment.get, _PROTOCOLS)), "http/protobuf")
        entry_point = "otlp_proto_grpc" if protocol == "grpc" else "otlp_proto_http"
    for found in entry_points(group="opentelemetry_traces_exporter", name=entry_point):
        return found.load()()
    raise SettingsError(f"{_EXPORTER}: no exporter named {name!r} is installed")


def _traced(tracer: Tracer) -> Traced:
    from opentelemetry.propagate import extract
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode

    def traced(method: MethodInfo, run: RpcFunction) -> RpcFunction:
        name = f"{method.service}/{method.name}"
        attributes = {
            "rpc.system": "grpc",
            "rpc.service": method.service,
            "rpc.method": method.name,
            "network.protocol.name": method.protocol,
        }

        async def run_in_span(request: Any, context: Context) -> Any:
            metadata = context.invocation_metadata() or ()
            with tracer.start_as_current_span(
                name,
                extract(_carrier(metadata)),
                SpanKind.SERVER,
                attributes,
                record_exception=False,
                set_status_on_exception=False,
            ) as span:
                try:
                    response = await run(request, context)
                except BaseException as error:
                    end(span, final_code(error, context))
                    raise
                end(span, final_code(None, context))
                return response

        return run_in_span

    def end(span: Span, code: grpc.StatusCode) -> None:
        span.set_attribute("rpc.grpc.status_code", code.value[0])
        if code in _ERRORS:
            span.set_status(Status(StatusCode.ERROR, code.name))

    return traced


def _carrier(metadata: Iterable[tuple[str, str | bytes]]) -> dict[str, str]:
    """Text metadata by key, of which several of one key make one list, as HTTP's headers do."""
    carrier: dict[str, str] = {}
    for key, value in metadata:
        if isinstance(value, str):
            carrier[key] = f"{carrier[key]},{value}" if key in carrier else value
    return carrier

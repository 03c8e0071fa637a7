"""Traces: what an OpenTelemetry collector receives of the calls."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import grpc
import httpx
import pytest
from greeter_service.v1 import greeter_pb2 as pb
from greeter_service.v1 import greeter_pb2_grpc as pb_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from polyrpc import SettingsError
from polyrpc.interceptors.tracing import tracing_from_environment
from processes import STOP, end, log_line, started

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


class Collector(HTTPServer):
    """Receives spans as OTLP over HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), CollectorHandler)
        self.spans: list[Span] = []


class CollectorHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Collector)
        body = self.rfile.read(int(self.headers["content-length"]))
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in http.server
        """Says nothing."""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


async def test_each_call_is_one_span_of_its_callers_trace(collector: Collector) -> None:
    async with started() as process:
        ports = await log_line(process, "serving")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{ports['grpc_port']}") as channel:
            stub = pb_grpc.GreeterStub(channel)
            metadata = (("traceparent", TRACEPARENT),)
            await stub.SayHello(pb.SayHelloRequest(name="Ada"), metadata=metadata)
        async with httpx.AsyncClient() as client:
            url = f"http://127.0.0.1:{ports['http_port']}/grpc/greeterservice/sayhello"
            await client.post(url, json={"name": "error"}, headers={"traceparent": TRACEPARENT})
        process.send_signal(STOP)
        _, lines = await end(process)
    calls = [line for line in lines if line["event"] == "call"]
    assert [line["trace_id"] for line in calls] == [TRACE] * 2
    spans = sorted(collector.spans, key=lambda span: span.start_time_unix_nano)
    assert [span.name for span in spans] == ["greeter_service.v1.Greeter/SayHello"] * 2
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    assert {span.parent_span_id.hex() for span in spans} == {PARENT}
    assert {span.kind for span in spans} == {Span.SPAN_KIND_SERVER}
    codes = [
        attribute.value.int_value
        for span in spans
        for attribute in span.attributes
        if attribute.key == "rpc.grpc.status_code"
    ]
    assert codes == [0, 3]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"},
    ],
)
def test_there_are_no_traces_unless_they_are_asked_for(environment: dict[str, str]) -> None:
    assert tracing_from_environment(environment) is None


def test_an_exporter_that_there_is_not_refuses_the_start() -> None:
    with pytest.raises(SettingsError, match="OTEL_TRACES_EXPORTER"):
        tracing_from_environment({"OTEL_TRACES_EXPORTER": "carrier-pigeon"})

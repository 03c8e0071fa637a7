"""The request log: a JSON line for each RPC, and the request id that its lines share."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest
from greeter.app import GreeterService
from greeter.settings import Settings
from greeter_service.v1 import greeter_pb2 as pb
from grpc_health.v1 import health_pb2, health_pb2_grpc
from log_lines import Lines, logging_to_memory
from polyrpc.log_pipe import EventRecord, JsonLinesHandler
from polyrpc.process.server import Server
from polyrpc.testing import Call, Outcome
from wire import until

PATH = "/grpc/greeterservice/sayhello"


@pytest.fixture(autouse=True)
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """Reads the lines that the service has logged in its calls."""
    with logging_to_memory(monkeypatch) as lines:
        yield lambda: [line for line in lines() if "request_id" in line]


def returned_id(outcome: Outcome, protocol: str) -> str | bytes:
    metadata = outcome.trailing_metadata if protocol == "grpc" else outcome.initial_metadata
    return metadata["x-request-id"]


async def test_a_call_is_one_line(call: Call, protocol: str, lines: Lines) -> None:
    await call("SayHello", pb.SayHelloRequest(name="Ada"), x_request_id="7", secret="hidden")
    (line,) = lines()
    assert list(line) == [
        "timestamp",
        "level",
        "event",
        "protocol",
        "service",
        "method",
        "code",
        "duration_ms",
        "peer",
        "request_id",
    ]
    assert line["level"] == "info"
    assert line["protocol"] == protocol
    assert line["service"] == "greeter_service.v1.Greeter"
    assert line["method"] == "SayHello"
    assert line["code"] == "OK"
    assert line["duration_ms"] > 0
    assert line["peer"].startswith("ipv4:127.0.0.1:")
    assert line["request_id"] == "7"
    assert "Ada" not in str(line)
    assert "hidden" not in str(line)


async def test_a_stream_is_one_line(call: Call, lines: Lines) -> None:
    await call("Chat", pb.ChatRequest(name="Ada"), pb.ChatRequest(name="Grace"))
    assert [(line["method"], line["code"]) for line in lines()] == [("Chat", "OK")]


async def written(lines: Lines, number: int = 1) -> None:
    """Waits for lines of a call that fails: over gRPC, its caller learns of that first."""
    async with asyncio.timeout(30):
        while len(lines()) < number:  # noqa: ASYNC110 - a line of the log wakes nobody
            await asyncio.sleep(0.001)


async def test_what_the_caller_did_wrong_is_no_error_of_ours(call: Call, lines: Lines) -> None:
    await call("SayHello", pb.SayHelloRequest(name="error"))
    await written(lines)
    assert [(line["level"], line["code"]) for line in lines()] == [("info", "INVALID_ARGUMENT")]


async def test_a_body_that_is_no_request_is_logged_too(
    http: httpx.AsyncClient, lines: Lines
) -> None:
    response = await http.post(PATH, content="{", headers={"x-request-id": "7"})
    assert response.headers["x-request-id"] == "7"
    assert [(line["code"], line["request_id"]) for line in lines()] == [("INVALID_ARGUMENT", "7")]


async def test_an_exception_is_an_error_and_its_traceback_has_the_request_id(
    call: Call, protocol: str, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pb, "SayHelloResponse", None)
    outcome = await call("SayHello", pb.SayHelloRequest(name="Ada"), x_request_id="7")
    assert outcome.status == "UNKNOWN"
    assert returned_id(outcome, protocol) == "7"
    await written(lines, 2)
    line, traceback = sorted(lines(), key=lambda line: "exception" in line)
    assert (line["level"], line["code"]) == ("error", "UNKNOWN")
    assert (traceback["level"], traceback["request_id"]) == ("error", "7")


class Failing(GreeterService):
    async def SayHello(self, request: Any, context: Any) -> Any:
        if request.name == "aborts with OK":
            await context.abort(grpc.StatusCode.OK, "no message")
        raise grpc.aio.AbortError("of another call")


class TestAnAbortThatIsNone:
    @pytest.fixture
    def service_arguments(self) -> dict[str, Any]:
        return {"servicers": [Failing]}

    @pytest.mark.parametrize("name", ["aborts with OK", "raises an AbortError"])
    async def test_is_logged_and_counted_as_the_caller_hears_of_it(
        self, name: str, call: Call, protocol: str, lines: Lines, http: httpx.AsyncClient
    ) -> None:
        outcome = await call("SayHello", pb.SayHelloRequest(name=name))
        assert outcome.status == "UNKNOWN"
        await until(lambda: any(line["event"] == "call" for line in lines()))
        assert [line["code"] for line in lines() if line["event"] == "call"] == ["UNKNOWN"]
        counted = (await http.get("/metrics")).text
        assert 'grpc_code="UNKNOWN"' in counted
        assert 'grpc_code="OK"' not in counted


async def test_the_deadline_is_logged_where_there_is_one(
    http: httpx.AsyncClient, lines: Lines
) -> None:
    await http.post(PATH, json={}, headers={"grpc-timeout": "10S"})
    (line,) = lines()
    assert 0 < line["deadline_ms"] <= 10_000


async def test_an_id_is_made_where_the_caller_sends_none(
    call: Call, protocol: str, lines: Lines
) -> None:
    ids = {returned_id(await call("SayHello", pb.SayHelloRequest()), protocol) for _ in range(2)}
    assert len(ids) == 2
    assert {line["request_id"] for line in lines()} == ids


@pytest.mark.parametrize("unfit", ["two words", "x" * 129])
async def test_an_id_that_does_not_fit_a_log_is_replaced(
    call: Call, protocol: str, unfit: str
) -> None:
    outcome = await call("SayHello", pb.SayHelloRequest(), x_request_id=unfit)
    assert returned_id(outcome, protocol) != unfit


async def test_an_id_may_be_made_of_any_signs(call: Call, protocol: str, lines: Lines) -> None:
    signs = '"quoted"\\\\{}\'<&'
    outcome = await call("SayHello", pb.SayHelloRequest(), x_request_id=signs)
    assert returned_id(outcome, protocol) == signs
    assert [line["request_id"] for line in lines()] == [signs]


async def test_lines_keep_their_order(call: Call, lines: Lines) -> None:
    for name in ("Ada", "Grace"):
        await call("SayHello", pb.SayHelloRequest(name=name), x_request_id="7")
        logging.getLogger(__name__).warning("between", extra={"request_id": "7"})
    assert [line.get("code", line["event"]) for line in lines()] == [
        "OK",
        "between",
        "OK",
        "between",
    ]


async def test_other_handlers_get_records_of_calls(
    call: Call, lines: Lines, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    logging.getLogger().addHandler(caplog.handler)
    await call("SayHello", pb.SayHelloRequest(), x_request_id="7")
    (record,) = (record for record in caplog.records if record.getMessage() == "call")
    assert (record.__dict__["method"], record.__dict__["request_id"]) == ("SayHello", "7")
    logging.getLogger().removeHandler(caplog.handler)
    assert [line["method"] for line in lines()] == ["SayHello"]


async def test_the_pipes_own_filter_and_level_are_heeded(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.BytesIO()
    pipe = JsonLinesHandler(stream)
    monkeypatch.setattr(logging.getLogger(), "handlers", [pipe])
    request = pb.SayHelloRequest()
    await call("SayHello", request, x_request_id="written")
    # What is set holds for the lines that are not being collected yet.
    pipe.flush()
    pipe.setLevel(logging.WARNING)
    await call("SayHello", request, x_request_id="of-no-level")
    pipe.setLevel(logging.NOTSET)
    pipe.addFilter(lambda _: False)
    await call("SayHello", request, x_request_id="filtered")
    pipe.flush()
    of_calls = [line for line in stream.getvalue().splitlines() if line.startswith(b"{")]
    assert [json.loads(line)["request_id"] for line in of_calls] == ["written"]


async def test_a_line_that_cannot_be_made_takes_no_others_with_it() -> None:
    def fail(_values: Any) -> bytes:
        raise ValueError("\ud800")

    stream = io.BytesIO()
    pipe = JsonLinesHandler(stream)
    for render in (bytes, fail, bytes):
        pipe.write_later(render, b"{}\n")
    pipe.flush()
    first, failed, last = map(json.loads, stream.getvalue().splitlines())
    assert (first, last) == ({}, {})
    assert (failed["level"], failed["error"]) == ("error", "ValueError")


@pytest.mark.parametrize("fields", [{}, {"a": 1}])
def test_an_event_cannot_forge_fields(fields: dict[str, Any]) -> None:
    stream = io.BytesIO()
    pipe = JsonLinesHandler(stream)
    logger = logging.getLogger(__name__)
    event = 'x","level":"y\n'
    pipe.emit(EventRecord(logger, logging.INFO, event, 0.0, fields))
    pipe.flush()
    line = json.loads(stream.getvalue())
    assert line.pop("timestamp") == "1970-01-01T00:00:00.000000Z"
    assert line == {"level": "info", "event": event, **fields}


async def test_a_call_that_fails_returns_its_id(call: Call, protocol: str) -> None:
    outcome = await call("SayHello", pb.SayHelloRequest(name="error"), x_request_id="7")
    assert returned_id(outcome, protocol) == "7"


async def test_health_checks_are_not_logged(service: Server, lines: Lines) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)  # typed for synchronous channels only
        await health.Check(health_pb2.HealthCheckRequest())
    assert lines() == []


class TestWithTokens:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings.model_validate({"http_port": 0, "grpc_port": 0, "auth_tokens": "secret"})

    async def test_a_line_names_the_caller_and_not_the_token(
        self, call: Call, lines: Lines
    ) -> None:
        await call("SayHello", pb.SayHelloRequest(name="Ada"), authorization="Bearer secret")
        await call("SayHello", pb.SayHelloRequest(name="Ada"))
        known, stranger = lines()
        assert known["caller"].startswith("token-")
        assert "secret" not in known["caller"]
        assert "caller" not in stranger
        assert stranger["code"] == "UNAUTHENTICATED"

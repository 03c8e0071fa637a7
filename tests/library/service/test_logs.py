"""The log: who reads it slowly holds nobody up, and it says nothing of what callers send."""

from __future__ import annotations

import io
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import BinaryIO

import grpc
import httpx
import pytest
from polyrpc.log_pipe import MOST_BYTES_WAITING, JsonLinesHandler, Pipe
from polyrpc.logs import configure_logging
from polyrpc.rpc.status import CallError
from processes import GROUP, STOP, environment

PATH = "/grpc/greeterservice/sayhello"
FORMATS = ["json", "console"]
LINE = "x" * 999


@pytest.fixture
def unread() -> Iterator[tuple[Pipe, BinaryIO]]:
    """A pipe, and the end of it that nobody reads yet."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as end, os.fdopen(writer, "wb") as stream:
        pipe = JsonLinesHandler(stream)
        yield pipe, end
        end.close()  # What waits for a reader waits no more.
        pipe.flush()
        pipe.close()


def logged(program: str, log_format: str) -> str:
    """What a program has written after it has configured the log."""
    head = "from polyrpc.logs import configure_logging, REQUEST_ID\n"
    head += f"configure_logging('info', {log_format!r})\n"
    done = subprocess.run(
        [sys.executable, "-c", head + program], capture_output=True, encoding="utf-8"
    )
    assert done.stdout == ""
    return done.stderr


WRITER = """
import logging, sys
from polyrpc.logs import configure_logging

configure_logging("info", "json", shared=True)
for number in range(300):
    logging.error("%s", sys.argv[1] * (10_000 if number % 2 else 200))
print("logged", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="one process serves there: nobody shares its log")
@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_lines_of_several_processes_do_not_cut_into_each_other(kind: str) -> None:
    ends = socket.socketpair() if kind == "socket" else os.pipe()
    reader, writer = (end if isinstance(end, int) else end.detach() for end in ends)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, letter], stdout=subprocess.PIPE, stderr=writer
        )
        for letter in "abc"
    ]
    os.close(writer)
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.read(6) == b"logged"
    # All of them wait for room. Less is read at a time than a line has.
    read = b"".join(iter(lambda: os.read(reader, 4096), b""))
    os.close(reader)
    for process in processes:
        with process:
            assert process.wait() == 0
    events = [json.loads(line)["event"] for line in read.splitlines()]
    assert sorted((len(event), *set(event)) for event in events) == sorted(
        (size, letter) for size in (200, 10_000) for letter in "abc" for _ in range(150)
    )


def test_a_service_whose_log_nobody_reads_serves_and_stops() -> None:
    # Not a process of asyncio, which reads all that one has written before it tells of its end.
    process = subprocess.Popen(
        [sys.executable, "-m", "greeter"],
        env=environment(),
        stderr=subprocess.PIPE,
        creationflags=GROUP,
    )
    with process:
        try:
            assert process.stderr is not None
            events = map(json.loads, process.stderr)
            port = next(event["http_port"] for event in events if "http_port" in event)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
                # Some times as much as the pipe and the test's own end of it take.
                for _ in range(3000):
                    assert client.post(PATH, json={"name": "World"}).status_code == 200
                assert client.get("/healthz").status_code == 200
            process.send_signal(STOP)
            assert process.wait(30) == 0
        finally:
            process.kill()


def test_what_nobody_takes_is_dropped_counted_and_said_once(
    unread: tuple[Pipe, BinaryIO],
) -> None:
    pipe, end = unread
    logger = logging.getLogger("unread")
    written = MOST_BYTES_WAITING // len(LINE) * 2
    for _ in range(written):
        pipe.handle(logger.makeRecord("unread", logging.INFO, "", 0, LINE, (), None))
    dropped = pipe.dropped
    assert dropped > 0
    lines: list[bytes] = []
    reading = threading.Thread(target=lambda: lines.extend(iter(end.readline, b"end\n")))
    reading.start()
    pipe.flush()
    pipe.handle(logger.makeRecord("unread", logging.INFO, "", 0, "end", (), None))
    pipe.flush()
    reading.join()
    told = [line for line in lines if b"dropped" in line]
    assert [line.split(b" ")[0] for line in told] == [str(dropped).encode()]
    assert len(lines) == written - dropped + 1
    assert pipe.dropped == dropped


async def test_lines_dropped_are_a_metric(
    unread: tuple[Pipe, BinaryIO], http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, _ = unread
    monkeypatch.setattr(logging.getLogger(), "handlers", [pipe])
    for _ in range(MOST_BYTES_WAITING // len(LINE) * 2):
        logging.getLogger().error(LINE)
    dropped = pipe.dropped
    scraped = (await http.get("/metrics")).text.splitlines()
    (number,) = (line.split()[1] for line in scraped if line.startswith("log_lines_dropped_total "))
    # The line of the scrape itself may be dropped too.
    assert 0 < dropped <= float(number) <= pipe.dropped


def test_a_reader_that_has_gone_is_survived(unread: tuple[Pipe, BinaryIO]) -> None:
    pipe, end = unread
    end.close()
    for _ in range(2):
        pipe.handle(logging.makeLogRecord({"msg": "unheard"}))
    pipe.flush()
    assert pipe.dropped == 2


@pytest.mark.parametrize("log_format", FORMATS)
def test_a_crash_is_in_the_log_without_local_variables_and_with_libraries_folded(
    log_format: str,
) -> None:
    text = logged(
        "import asyncio\nasync def work(token):\n raise OSError('refused')\n"
        "asyncio.run(work('s3cret'.upper()))",
        log_format,
    )
    assert "Traceback" in text
    assert "OSError: refused" in text
    assert "frames of libraries" in text
    assert "S3CRET" not in text
    assert "runners.py" not in text


@pytest.mark.parametrize("log_format", FORMATS)
def test_the_gateways_own_errors_do_not_say_in_tracebacks_what_was_sent(
    log_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stderr = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stderr", stderr)
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    configure_logging("info", "json" if log_format == "json" else "console")
    try:
        try:
            raise CallError(grpc.StatusCode.INVALID_ARGUMENT, "s3cret is no number".upper())
        except CallError as error:
            raise RuntimeError("a mistake") from error
    except RuntimeError:
        root.exception("failed")
    root.handlers[0].flush()
    text = stderr.buffer.getvalue().decode()
    stderr.detach()
    assert "RuntimeError: a mistake" in text
    assert "CallError" in text
    assert "S3CRET" not in text


@pytest.mark.parametrize("log_format", FORMATS)
def test_structlog_and_logging_end_in_one_pipe(log_format: str) -> None:
    text = logged(
        "import sys\nassert 'structlog' not in sys.modules\nREQUEST_ID.set('id-7')\n"
        "import logging, structlog\n"
        "structlog.get_logger().info('of structlog', name='World')\n"
        "logging.getLogger('team').info('of logging', extra={'name': 'World', 'args': 1})\n"
        "structlog.get_logger().debug('too much')",
        log_format,
    )
    first, second = text.splitlines()
    if log_format == "json":
        assert json.loads(first)["name"] == json.loads(second)["name"] == "World"
        assert json.loads(first)["request_id"] == json.loads(second)["request_id"] == "id-7"
        assert json.loads(second)["logger"] == "team"
    else:
        assert all("request_id=id-7 " in line and "name=World" in line for line in (first, second))


@pytest.mark.parametrize("log_format", FORMATS)
def test_control_characters_are_escaped(log_format: str) -> None:
    text = logged(
        "import logging\nhostile = 'a\\x1b[31m\\0\\x7f\\x9b\\u202e\\n\\ud800'\n"
        "logging.info(hostile, extra={'field': hostile})",
        log_format,
    )
    assert text.endswith("\n")
    assert text[:-1].isprintable()


@pytest.mark.parametrize(
    "log",
    ["import logging; log = logging.info", "import structlog; log = structlog.get_logger().info"],
    ids=["logging", "structlog"],
)
def test_a_line_that_cannot_be_made_says_so_without_what_it_was_to_hold(log: str) -> None:
    text = logged(f"{log}\nlog('%d', 's3cret')\nlog('100%% of %s', 'it')", "json")
    first, second = map(json.loads, text.splitlines())
    assert first["error"] == "TypeError"
    assert second["event"] == "100% of it"
    assert "s3cret" not in text

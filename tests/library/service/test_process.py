"""The process: how `python -m greeter` starts, and how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from greeter.settings import PREFIX
from polyrpc.process.signals import on_signals, run_loop
from processes import (
    ONE_AND_TWO_WORKERS,
    STOP,
    STOP_SIGNALS,
    Process,
    end,
    log_line,
    started,
)


@pytest.mark.parametrize("number", STOP_SIGNALS)
async def test_a_signal_ends_it_with_status_0(number: signal.Signals) -> None:
    async with started() as process:
        await log_line(process, "serving")
        process.send_signal(number)
        assert await process.wait() == 0


async def test_while_draining_it_is_alive_but_not_ready() -> None:
    async with started(DRAIN_SECONDS=60) as process, httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{(await log_line(process, 'serving'))['http_port']}"
        assert (await client.get(f"{url}/readyz")).status_code == 200
        process.send_signal(STOP)
        await log_line(process, "draining")
        refusal = await client.get(f"{url}/readyz")
        assert refusal.status_code == 503
        assert refusal.headers["connection"] == "close"
        assert (await client.get(f"{url}/healthz")).status_code == 200
        process.send_signal(STOP)  # ends the wait
        assert await process.wait() == 0


@pytest.mark.parametrize("workers", ONE_AND_TWO_WORKERS)
@pytest.mark.parametrize("listener", ["HTTP", "GRPC", "ADMIN"])
async def test_a_taken_port_ends_it_with_one_line_and_status_1(listener: str, workers: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with started(**{f"{listener}_PORT": port, "WORKERS": workers}) as process:
            _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors.decode().count("\n") == 1
    assert str(port) in errors.decode()


async def test_a_wrong_setting_ends_it_with_one_line_and_status_2() -> None:
    async with started(HTTP_PORT=-1) as process:
        _, errors = await process.communicate()
    assert process.returncode == 2
    assert errors.decode().count("\n") == 1
    assert f"{PREFIX}HTTP_PORT" in errors.decode()


async def test_signals_are_heard_where_the_event_loop_takes_none_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def not_on_windows(*_: object) -> None:
        raise NotImplementedError

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", not_on_windows)
    try:
        signals = on_signals(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert await signals.get() is signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)


def test_it_runs_where_uvloop_is_not_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())

    monkeypatch.setitem(sys.modules, "uvloop", None)
    run_loop(main)
    assert type(loops[0]).__module__.startswith("asyncio.")


def test_the_event_loop_finds_all_imported_but_what_no_call_needs() -> None:
    program = """
import sys
from greeter.app import create_app
from polyrpc.process.signals import run_loop

async def main():
    print(*sys.modules)

run_loop(main)
"""
    modules = modules_after(program)
    assert "polyrpc.process.server" in modules
    assert modules.isdisjoint({"httpx", "prometheus_client", "structlog", "trustme"})


def modules_after(program: str) -> set[str]:
    return set(subprocess.check_output([sys.executable, "-c", program], text=True).split())


async def test_a_misspelt_setting_is_warned_about_with_the_one_that_is_meant() -> None:
    async with started(WORKRES=2) as process:
        line = await log_line(process, f"{PREFIX}WORKRES")
        assert line["level"] == "warning"
        assert f"{PREFIX}WORKERS" in line["event"]


@asynccontextmanager
async def running(folder: Path, module: str, workers: int) -> AsyncIterator[Process]:
    """The service with the `create_app` of a module that is in a folder."""
    program = (
        f"from {module} import create_app; from greeter.settings import Settings; "
        "from polyrpc import run; run(create_app, Settings)"
    )
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", path)
        async with started(sys.executable, "-c", program, WORKERS=workers) as process:
            yield process


@pytest.mark.parametrize("workers", ONE_AND_TWO_WORKERS)
async def test_the_garbage_collector_need_not_go_through_what_stays(
    workers: int, tmp_path: Path
) -> None:
    (tmp_path / "counted.py").write_text("""
import atexit
import gc
import json
import os

from greeter.app import create_app as create


def say():
    event = f"counted {gc.get_freeze_count()} {len(gc.get_objects())}"
    # In one piece: processes share the pipe.
    os.write(2, json.dumps({"event": event}).encode() + b"\\n")


def create_app(settings):
    atexit.register(say)
    return create(settings)
""")
    async with running(tmp_path, "counted", workers) as process:
        await log_line(process, "serving")
        process.send_signal(STOP)
        _, lines = await end(process)
    counts = [line["event"].split()[1:] for line in lines if line["event"].startswith("counted")]
    assert len(counts) == workers
    for passed_over, others in counts:
        assert int(passed_over) > 10 * int(others)


@pytest.mark.parametrize("workers", ONE_AND_TWO_WORKERS)
async def test_an_error_of_the_start_that_is_no_taken_port_has_its_traceback(
    workers: int, tmp_path: Path
) -> None:
    # What a team's own code might do, in the place where all of it is wired.
    (tmp_path / "broken.py").write_text(
        "def create_app(settings):\n    raise ConnectionRefusedError(111, 'Connection refused')\n"
    )
    async with running(tmp_path, "broken", workers) as process:
        status, lines = await end(process)
    assert status == 1
    (line,) = (line for line in lines if "exception" in line)
    assert line["level"] == "critical"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ConnectionRefusedError: [Errno 111] Connection refused")


@pytest.mark.skipif(os.name != "posix", reason="a shell is to close the streams")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-"])
@pytest.mark.parametrize("workers", ONE_AND_TWO_WORKERS)
async def test_it_stops_well_where_standard_streams_are_closed(closed: str, workers: int) -> None:
    command = f'exec "$0" -m greeter {closed}'
    async with started("sh", "-c", command, sys.executable, WORKERS=workers) as process:
        await log_line(process, "serving")
        process.send_signal(STOP)
        assert (await end(process))[0] == 0


def test_streams_that_are_closed_become_the_null_device() -> None:
    program = """
import os, sys
os.closerange(0, 3)
sys.stdin = sys.stdout = sys.stderr = None
from polyrpc.process.signals import open_standard_streams
open_standard_streams()
print("nobody reads it", file=sys.stderr)
sys.exit(40 + len({os.fstat(number).st_rdev for number in range(3)}))
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == 41


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no such signal")
async def test_one_process_goes_on_when_it_is_to_replace_workers() -> None:
    async with started() as process, httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{(await log_line(process, 'serving'))['http_port']}/healthz"
        process.send_signal(signal.SIGHUP)
        assert "goes on" in (await log_line(process, "SIGHUP"))["event"]
        assert (await client.get(url)).status_code == 200
        process.send_signal(STOP)
        assert (await end(process))[0] == 0


@pytest.mark.skipif(os.name != "posix", reason="there are no such terminals on this platform")
@pytest.mark.parametrize("workers", ONE_AND_TWO_WORKERS)
def test_it_ends_with_the_terminal_where_it_was_started(workers: int) -> None:
    terminal, end_of_service = os.openpty()
    settings = {"HTTP_PORT": "0", "GRPC_PORT": "0", "WORKERS": str(workers)}
    with subprocess.Popen(
        [sys.executable, "-m", "greeter"],
        env={**os.environ, **{PREFIX + name: value for name, value in settings.items()}},
        stdin=subprocess.DEVNULL,
        stderr=end_of_service,
        start_new_session=True,
    ) as process:
        os.close(end_of_service)
        written = b""
        while b"serving HTTP" not in written:
            written += os.read(terminal, 1024)
        os.close(terminal)
        process.send_signal(signal.SIGHUP)
        assert process.wait(30) == 0

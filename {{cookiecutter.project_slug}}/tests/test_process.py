"""The process: how `python -m {{ cookiecutter.package_name }}` starts, and how it ends."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from {{ cookiecutter.package_name }}.process import on_signals, run
from {{ cookiecutter.package_name }}.settings import PREFIX

from .processes import ONE_AND_TWO_WORKERS, STOP, STOP_SIGNALS, log_line, started


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
    run(main)
    assert type(loops[0]).__module__.startswith("asyncio.")


def test_the_event_loop_finds_all_imported_but_what_no_call_needs() -> None:
    program = """
import sys
from {{ cookiecutter.package_name }}.process import run

async def main():
    print(*sys.modules)

run(main)
"""
    modules = modules_after(program)
    assert "{{ cookiecutter.package_name }}.service" in modules
    # What a servicer imports is needed.
    own = modules_after("import sys, {{ cookiecutter.package_name }}.servicers; print(*sys.modules)")
    assert (modules - own).isdisjoint({"prometheus_client", "protobuf", "structlog"})


def modules_after(program: str) -> set[str]:
    return set(subprocess.check_output([sys.executable, "-c", program], text=True).split())

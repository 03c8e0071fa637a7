"""Several processes on the same ports."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import httpx
import pytest
from greeter.settings import PREFIX
from greeter_service.v1 import greeter_pb2 as pb
from greeter_service.v1 import greeter_pb2_grpc as pb_grpc
from polyrpc.client import channel
from polyrpc.testing import Certificates
from processes import end, log_line, needs_workers, started, workers_of

PATH = "/grpc/greeterservice/sayhello"
pytestmark = [needs_workers, pytest.mark.full]


def files_in(folder: Path) -> int:
    return len(list(folder.rglob("*.db")))


async def test_a_worker_that_dies_is_replaced() -> None:
    async with started(WORKERS=2) as process:
        ports = await log_line(process, "serving")
        victim, other = workers_of(process)
        os.kill(victim, signal.SIGKILL)
        assert "SIGKILL" in (await log_line(process, f"worker {victim}"))["event"]
        await log_line(process, "worker")
        assert other in workers_of(process)
        assert len(workers_of(process)) == 2
        async with httpx.AsyncClient() as client:
            url = f"http://127.0.0.1:{ports['http_port']}/readyz"
            assert (await client.get(url)).status_code == 200


async def test_a_worker_that_is_stopped_is_replaced_and_its_counts_stay() -> None:
    program = """
import asyncio
from polyrpc.logs import configure_logging
from greeter.app import create_app
from greeter.settings import Settings
from polyrpc.process.supervisor import Supervisor
configure_logging("info", "json")
asyncio.run(Supervisor(create_app, Settings(), beats=2).run())
"""
    async with started(sys.executable, "-c", program, WORKERS=2) as process:
        url = f"http://127.0.0.1:{(await log_line(process, 'serving'))['http_port']}"
        for _ in range(20):
            async with httpx.AsyncClient(base_url=url) as client:
                await client.post(PATH, json={"name": "World"})
        victim, other = workers_of(process)
        os.kill(victim, signal.SIGSTOP)
        await log_line(process, f"killing worker {victim}")
        await log_line(process, f"worker {victim} was killed")
        async with httpx.AsyncClient(base_url=url) as client:
            await log_line(process, "worker")  # the new one, which serves
            assert (await client.get("/readyz")).status_code == 200
            lines = (await client.get("/metrics")).text.splitlines()
        assert workers_of(process) > {other}
        assert victim not in workers_of(process)
        (handled,) = (line for line in lines if line.startswith("grpc_server_handled_total"))
        assert handled.endswith(" 20.0")


UNLUCKY = """
import asyncio, errno, sys
from polyrpc.logs import configure_logging
from greeter.app import create_app
from greeter.settings import Settings
from polyrpc.process import supervisor

start, numbers = asyncio.create_subprocess_exec, iter(range(100))

async def start_unless_unlucky(*arguments, **options):
    if next(numbers) == int(sys.argv[1]):
        raise OSError(errno.EAGAIN, "there are too many")
    return await start(*arguments, **options)

asyncio.create_subprocess_exec = start_unless_unlucky
supervisor._LONGEST_PAUSE_SECONDS = 0.1
configure_logging("info", "json")
sys.exit(asyncio.run(supervisor.Supervisor(create_app, Settings()).run()))
"""


async def test_a_service_that_may_have_no_process_ends() -> None:
    async with started(sys.executable, "-c", UNLUCKY, "0", WORKERS=2) as process:
        await log_line(process, "no worker can be started: there are too many")
        assert (await end(process))[0] == 1


async def test_another_worker_is_started_when_that_is_possible() -> None:
    async with started(sys.executable, "-c", UNLUCKY, "1", WORKERS=2) as process:
        await log_line(process, "no worker can be started now")
        await log_line(process, "serving")
        assert len(workers_of(process)) == 2


async def test_workers_go_on_that_cannot_be_replaced_now() -> None:
    async with started(sys.executable, "-c", UNLUCKY, "2", WORKERS=2) as process:
        await log_line(process, "serving")
        before = workers_of(process)
        process.send_signal(signal.SIGHUP)
        await log_line(process, "the new worker does not start")
        assert workers_of(process) == before
        process.send_signal(signal.SIGTERM)
        assert (await end(process))[0] == 0


async def test_restarts_leave_no_more_and_more_files(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TMPDIR", str(tmp_path))
        async with started(WORKERS=2) as process, httpx.AsyncClient() as client:
            url = f"http://127.0.0.1:{(await log_line(process, 'serving'))['http_port']}"
            for _ in range(3):
                assert (await client.post(f"{url}{PATH}", json={})).status_code == 200
                process.send_signal(signal.SIGHUP)
                await log_line(process, "replaced")
            # Counters, gauges and histograms of two; and what the dead ones have counted.
            async with asyncio.timeout(10):
                while files_in(tmp_path) > 2 * 3 + 2:  # noqa: ASYNC110 - files tell nobody
                    await asyncio.sleep(0.01)
            lines = (await client.get(f"{url}/metrics")).text.splitlines()
        (handled,) = (line for line in lines if line.startswith("grpc_server_handled_total"))
        assert handled.endswith(" 3.0")


async def test_metrics_add_up_over_workers() -> None:
    async with started(WORKERS=2) as process:
        ports = await log_line(process, "serving")
        http = f"http://127.0.0.1:{ports['http_port']}"
        for _ in range(20):
            # A connection each, so that both workers have some.
            async with httpx.AsyncClient(base_url=http) as client:
                await client.post(PATH, json={"name": "World"})
            async with channel(f"127.0.0.1:{ports['grpc_port']}") as grpc_channel:
                stub = pb_grpc.GreeterStub(grpc_channel)
                await stub.SayHello(pb.SayHelloRequest(name="World"))
        async with httpx.AsyncClient(base_url=http) as client:
            lines = (await client.get("/metrics")).text.splitlines()
        handled = [line for line in lines if line.startswith("grpc_server_handled_total")]
        assert sorted(line.rpartition("protocol=")[2] for line in handled) == [
            '"grpc"} 20.0',
            '"http"} 20.0',
        ]


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux lets a listener leave its port to others unnoticed"
)
async def test_a_rolling_restart_replaces_all_workers_and_loses_no_call() -> None:
    async with started(WORKERS=2) as process:
        ports = await log_line(process, "serving")
        before = workers_of(process)
        restarted = asyncio.Event()
        calls = asyncio.create_task(call_until(restarted, ports["http_port"], ports["grpc_port"]))
        process.send_signal(signal.SIGHUP)
        await log_line(process, "replaced")
        restarted.set()
        await calls
        assert len(workers_of(process)) == 2
        assert not workers_of(process) & before
        process.send_signal(signal.SIGTERM)
        assert (await end(process))[0] == 0


async def call_until(over: asyncio.Event, http_port: int, grpc_port: int) -> None:
    async with (
        channel(f"127.0.0.1:{grpc_port}", attempts=1) as grpc_channel,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{http_port}") as client,
    ):
        stub = pb_grpc.GreeterStub(grpc_channel)
        while not over.is_set():
            await stub.SayHello(pb.SayHelloRequest(name="World"))
            response = await client.post(PATH, json={"name": "World"})
            assert response.status_code == 200


async def test_workers_end_with_their_supervisor() -> None:
    async with started(WORKERS=2) as process:
        await log_line(process, "serving")
        process.kill()
        # Standard error ends with the last process that holds it.
        await process.communicate()


async def test_what_no_worker_can_start_with_is_said_once(certificates: Certificates) -> None:
    files = {"TLS_CERT_FILE": certificates.server, "TLS_KEY_FILE": certificates.client_key}
    async with started(WORKERS=2, **files) as process:
        _, errors = await process.communicate()
    assert process.returncode == 2
    assert [PREFIX in line for line in errors.decode().splitlines()].count(True) == 1

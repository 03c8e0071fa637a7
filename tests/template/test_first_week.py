"""The first week of a team: a database, a secret, a route …, by edits of its own files alone.

`first_week/` holds those files as they are on Friday; they are laid over a default project.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from baking import SCRIPTS, bake, files
from databases import NEEDS_POSTGRESQL, SECRET, Database, database_server
from grpc_health.v1 import health_pb2, health_pb2_grpc

OVERLAY = Path(__file__).parent / "first_week"
SAY_HELLO = "/greeter_service.v1.Greeter/SayHello"
PREFIX = "GREETER_SERVICE_"
SCHEMA = """
CREATE TABLE absences (name text PRIMARY KEY);
CREATE TABLE greetings (id uuid PRIMARY KEY, name text NOT NULL);
"""

pytestmark = [
    pytest.mark.full,
    pytest.mark.xdist_group("first_week"),
    NEEDS_POSTGRESQL,
]


@pytest.fixture(scope="module")
def running_database() -> Iterator[Database]:
    with database_server() as database:
        database.execute(SCHEMA)
        yield database


@pytest.fixture
def database(running_database: Database) -> Database:
    running_database.execute("TRUNCATE absences, greetings")
    return running_database


def run(*command: str | Path, cwd: Path, **variables: str) -> None:
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stdout


@dataclass(frozen=True)
class Week:
    """A project at the end of its first week.

    Attributes:
        before: The files of the default project.
        after: The files that the team wrote.
    """

    project: Path
    before: dict[str, bytes]
    after: dict[str, bytes]

    def program(self, name: str) -> Path:
        return self.project / ".venv" / SCRIPTS / name


@pytest.fixture(scope="module")
def week(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Week:
    project = bake(template, tmp_path_factory.mktemp("first_week"))
    before = files(project)
    shutil.copytree(OVERLAY, project, dirs_exist_ok=True)
    pyproject = project / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    for old, new in (
        ("\ndependencies = [\n", '"asyncpg>=0.30,<1",\n"protovalidate>=2.1,<3",\n'),
        ("\ntypecheck = [\n", '"asyncpg-stubs>=0.30,<1",\n'),
    ):
        assert old in text
        text = text.replace(old, old + new)
    pyproject.write_text(text, encoding="utf-8")
    uv = (sys.executable, "-m", "uv")
    run(*uv, "venv", "--quiet", ".venv", cwd=project)
    python = project / ".venv" / SCRIPTS / "python"
    install = (*uv, "pip", "install", "--quiet", f"--python={python}")
    run(*install, "protovalidate>=2.1,<3", "protobuf", cwd=project)
    # What the team copies from github.com/bufbuild/protovalidate.
    validate = project / "protos" / "buf" / "validate" / "validate.proto"
    validate.parent.mkdir(parents=True)
    run(python, Path(__file__).with_name("validate_proto.py"), validate, cwd=project)
    groups = ("--group=test", "--group=lint", "--group=typecheck")
    run(*install, "-e", ".[otel]", *groups, cwd=project)
    return Week(project, before, files(OVERLAY))


@dataclass
class Running:
    """The service as a process.

    Attributes:
        log: The lines of its log so far.
    """

    process: asyncio.subprocess.Process
    http: httpx.AsyncClient
    channel: grpc.aio.Channel
    log: list[dict[str, Any]] = field(default_factory=list)

    async def over_http(self, name: str) -> str:
        response = await self.http.post("/grpc/greeterservice/sayhello", json={"name": name})
        return "OK" if response.is_success else str(response.json()["status"])

    async def over_grpc(self, name: str) -> str:
        # The one field, as in the wire format: other tests have stubs of the same names.
        call: Any = self.channel.unary_unary(SAY_HELLO)
        try:
            await call(bytes([10, len(name.encode())]) + name.encode())
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "OK"

    async def readiness(self) -> tuple[int, str, int]:
        """What `/readyz` answers, and gRPC's health check."""
        response = await self.http.get("/readyz")
        stub: Any = health_pb2_grpc.HealthStub(self.channel)
        health = await stub.Check(health_pb2.HealthCheckRequest())
        return response.status_code, response.json().get("detail", ""), health.status

    async def ended(self) -> int:
        _, errors = await self.process.communicate()
        self.log += map(json.loads, errors.splitlines())
        assert self.process.returncode is not None
        return self.process.returncode


@asynccontextmanager
async def running(week: Week, database: Database, **settings: object) -> AsyncIterator[Running]:
    values = {"HTTP_PORT": 0, "GRPC_PORT": 0, "LOG_FORMAT": "json", "DATABASE_URL": database.url}
    process = await asyncio.create_subprocess_exec(
        *(week.program("python"), "-m", "greeter_service"),
        env={**os.environ, **{PREFIX + k: str(v) for k, v in {**values, **settings}.items()}},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    log = []
    try:
        async for line in process.stderr:
            log.append(json.loads(line))
            if "http_port" in log[-1]:
                break
        else:
            pytest.fail(f"it ended before it served: {log}")
        url = f"http://127.0.0.1:{log[-1]['http_port']}"
        address = f"127.0.0.1:{log[-1]['grpc_port']}"
        async with (
            httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as http,
            grpc.aio.insecure_channel(address, [("grpc.enable_http_proxy", 0)]) as channel,
        ):
            yield Running(process, http, channel, log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 - another process makes it true
            await asyncio.sleep(0.05)


def test_only_files_of_the_team_are_touched(week: Week) -> None:
    now = files(week.project)
    kept = {name: text for name, text in week.before.items() if name not in week.after}
    assert {name for name, text in kept.items() if now[name] != text} == {"pyproject.toml"}
    for name, text in week.after.items():
        assert "_vendor" not in name
        assert name.endswith(".proto") or len(text.splitlines()) <= 100


def test_its_code_is_clean(week: Week) -> None:
    python = [name for name in week.after if name.endswith(".py")]
    run(week.program("ruff"), "check", *python, cwd=week.project)
    run(week.program("ruff"), "format", "--check", *python, cwd=week.project)
    sources = [name for name in python if name.startswith("src/")]
    run(week.program("mypy"), "--follow-imports=silent", *sources, cwd=week.project)


def test_the_tests_that_it_came_with_pass(week: Week, database: Database) -> None:
    run(week.program("pytest"), "-q", cwd=week.project, DATABASE_URL=database.url)


@pytest.mark.parametrize("workers", [1, 2])
async def test_health_follows_the_database(week: Week, database: Database, workers: int) -> None:
    serving, not_serving = (
        health_pb2.HealthCheckResponse.SERVING,
        health_pb2.HealthCheckResponse.NOT_SERVING,
    )
    async with running(week, database, WORKERS=workers) as service:
        assert await service.readiness() == (200, "", serving)
        database.stop()
        try:
            down = (503, "not serving: database", not_serving)
            await until(lambda: _is(service, down))
        finally:
            database.start()
        await until(lambda: _is(service, (200, "", serving)))
        assert await service.over_http("Ada") == await service.over_grpc("Ada") == "OK"
        service.process.terminate()
        assert await service.ended() == 0
    assert SECRET not in json.dumps(service.log)


async def _is(service: Running, expected: tuple[int, str, int]) -> bool:
    return await service.readiness() == expected


async def test_what_is_wrong_with_a_secret_is_said_without_it(week: Week) -> None:
    for url, status in (("", 2), (f"postgresql://postgres:{SECRET}@/postgres?port=none", 1)):
        variables = {PREFIX + "HTTP_PORT": "0", PREFIX + "GRPC_PORT": "0"}
        if url:
            variables[PREFIX + "DATABASE_URL"] = url
        process = await asyncio.create_subprocess_exec(
            *(week.program("python"), "-m", "greeter_service"),
            env={**os.environ, **variables},
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await process.communicate()
        assert process.returncode == status, errors
        assert SECRET.encode() not in errors
        assert (b"GREETER_SERVICE_DATABASE_URL" in errors) is (status == 2)


async def test_errors_validation_and_a_form(week: Week, database: Database) -> None:
    async with running(week, database, WORKERS=2) as service:
        response = await service.http.post(
            "/absences", data={"by": "Ada"}, files={"names": ("names.txt", b"Bob\nEve\n")}
        )
        assert (response.status_code, response.json()) == (201, {"absent": 2, "by": "Ada"})
        for call in (service.over_http, service.over_grpc):
            assert await call("Grace") == "OK"
            assert await call("Bob") == "NOT_FOUND"
            assert await call("") == "INVALID_ARGUMENT"
        response = await service.http.post("/grpc/greeterservice/sayhello", json={"name": "Eve"})
        assert response.json()["detail"] == "Eve is not here"
        response = await service.http.post("/grpc/greeterservice/sayhello", json={"name": ""})
        (detail,) = response.json()["details"]
        assert detail["fieldViolations"][0]["field"] == "name"
        stream = '{"name": "Ada"}\n{"name": ""}'
        headers = {"content-type": "application/x-ndjson"}
        response = await service.http.post(
            "/grpc/greeterservice/collectnames", content=stream, headers=headers
        )
        assert response.json()["detail"].startswith("name: ")


@pytest.mark.parametrize("workers", [1, 2])
async def test_the_outbox_loses_nothing_in_a_drain_under_load(
    week: Week, database: Database, workers: int
) -> None:
    greeted: list[str] = []
    names = map(str, count())

    async def greet(call: Callable[[str], Awaitable[str]]) -> None:
        while True:
            name = next(names)
            try:
                if await call(name) != "OK":
                    return  # it stops
            except httpx.TransportError:
                return
            greeted.append(name)

    async with (
        running(week, database, WORKERS=workers, DRAIN_SECONDS=0.2) as service,
        asyncio.TaskGroup() as load,
    ):
        for _ in range(10):
            load.create_task(greet(service.over_http))
            load.create_task(greet(service.over_grpc))
        await until(lambda: _at_least(greeted, 500))
        service.process.terminate()
        assert await service.ended() == 0
    written = set(database.execute("SELECT name FROM greetings"))
    assert len(greeted) >= 500
    assert set(greeted) <= written


async def _at_least(things: list[str], number: int) -> bool:
    return len(things) >= number

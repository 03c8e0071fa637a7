"""What a service says, and how it ends, when the code of its own goes wrong."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from greeter.app import GreeterService, create_app, serve
from greeter.settings import Settings
from greeter_service.v1 import greeter_pb2 as pb
from polyrpc import Health, Interceptor, ServiceSettings, SettingsError, caller, request_id
from polyrpc.framework.imports import Gateway
from polyrpc.framework.imports import get as framework_get
from polyrpc.testing import PROTOCOLS, client, http_client
from processes import ONE_AND_TWO_WORKERS, STOP, end, log_line, started
from pydantic import BaseModel, SecretStr

pytestmark = pytest.mark.full

COMMAND = (sys.executable, "-m", "misbehaving")
workers = pytest.mark.parametrize("workers", ONE_AND_TWO_WORKERS)


@pytest.fixture
def how(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HOW", request.param)
    return str(request.param)


def going_wrong(*ways: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("how", ways, indirect=True)


def exceptions(log: list[dict[str, Any]]) -> list[str]:
    return [line["exception"].splitlines()[-1] for line in log if "exception" in line]


@workers
@going_wrong("lifespan", "servicer")
async def test_a_start_that_fails_shows_why(how: str, workers: int) -> None:
    async with started(*COMMAND, WORKERS=workers) as process:
        status, log = await end(process)
    assert status == 1
    assert exceptions(log) == [f"misbehaving.OwnError: {how}"]


@workers
@going_wrong("end of the lifespan")
async def test_an_end_that_fails_shows_why(how: str, workers: int) -> None:
    async with started(*COMMAND, WORKERS=workers) as process:
        await log_line(process, "serving")
        process.send_signal(STOP)
        status, log = await end(process)
    assert status == 1
    assert exceptions(log) == [f"misbehaving.OwnError: {how}"] * workers


@workers
@going_wrong("start that waits")
async def test_a_start_that_waits_can_be_stopped(how: str, workers: int) -> None:
    async with started(*COMMAND, WORKERS=workers) as process:
        await log_line(process, "waiting")
        process.send_signal(STOP)
        status, log = await end(process)
    assert status == 0, how
    assert exceptions(log) == []
    assert log[-1]["event"] == "stopped"


@going_wrong("background")
async def test_a_background_task_that_fails_at_once_does_not_end_the_service(how: str) -> None:
    async with started(*COMMAND) as process:
        failed = await log_line(process, "background task background failed")
        process.send_signal(STOP)
        status, _ = await end(process)
    assert exceptions([failed]) == [f"misbehaving.OwnError: {how}"]
    assert status == 0


@going_wrong("end of the background")
async def test_a_background_task_that_fails_at_its_end_is_not_started_again(how: str) -> None:
    async with started(*COMMAND, SHUTDOWN_GRACE_SECONDS=3600) as process:
        await log_line(process, "serving")
        process.send_signal(STOP)
        await log_line(process, "background task background failed as it was to end")
        status, _ = await end(process)
    assert status == 0, how


@workers
@going_wrong("background without an end")
async def test_a_second_signal_breaks_off_a_background_task(how: str, workers: int) -> None:
    async with started(*COMMAND, WORKERS=workers, SHUTDOWN_GRACE_SECONDS=3600) as process:
        await log_line(process, "serving")
        process.send_signal(STOP)
        await log_line(process, "going on")
        process.send_signal(STOP)
        status, log = await end(process)
    assert status == 0, how
    said = [line["event"] for line in log if line["level"] == "error"]
    # One that was still to be cancelled is named.
    assert all(event.startswith(("broken off", "background task background")) for event in said)
    assert len(said) == workers


@going_wrong("check that hangs")
async def test_a_check_that_hangs_does_not_keep_the_service_from_its_start(how: str) -> None:
    async with started(*COMMAND) as process:
        await log_line(process, "health check database takes longer than 0.1 s")
        await log_line(process, "serving")
        process.send_signal(STOP)
        status, _ = await end(process)
    assert status == 0, how


@going_wrong("coroutine")
async def test_what_is_logged_at_exit_does_not_keep_the_process_from_it(how: str) -> None:
    async with started(*COMMAND) as process:
        # A warning about the coroutine is logged when no thread can be started any more.
        async with asyncio.timeout(60):
            status, log = await end(process)
    assert status == 1, how
    assert "never awaited" in log[-1]["event"]


@going_wrong("lifespan")
async def test_another_server_shows_the_same(how: str) -> None:
    command = ("-m", "uvicorn", "--factory", "misbehaving:create_app", "--port=0")
    async with started(sys.executable, *command) as process:
        _, errors = await process.communicate()
    assert process.returncode == 3  # uvicorn's own
    assert f"misbehaving.OwnError: {how}".encode() in errors


async def _coroutine_function(settings: Any, health: Any) -> None:
    """Lacks a `yield`."""


async def _undecorated(_settings: Any, _health: Any) -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def _without_arguments() -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def _lifespan(_settings: Any, _health: Any) -> AsyncIterator[None]:
    yield


class OnlyByName(GreeterService):
    def __init__(self, *, pool: object) -> None:
        self.pool = pool


class FewArguments(Interceptor):
    async def intercept(self, call_next: Any, request: Any) -> Any:  # type: ignore[override] # that is what is wrong
        return await call_next(request)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lifespan": _coroutine_function}, "_coroutine_function .*@asynccontextmanager"),
        ({"lifespan": _undecorated}, "_undecorated .*@asynccontextmanager"),
        ({"lifespan": _without_arguments}, r"_without_arguments .*\(settings, health\)"),
        ({"lifespan": _lifespan("", "")}, r"\(settings, health\)"),
        ({"background": _without_arguments}, "background must be a list"),
        ({"servicers": GreeterService}, "servicers must be a list"),
        ({"servicers": [OnlyByName], "lifespan": _lifespan}, "OnlyByName.*nothing else"),
        ({"servicers": [GreeterService, GreeterService]}, "answered by two services"),
        ({"interceptors": FewArguments()}, "interceptors must be a list"),
        ({"interceptors": [FewArguments()]}, r"FewArguments\.intercept must take"),
    ],
)
def test_what_cannot_work_is_refused_before_the_start(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        create_app(Settings(http_port=0, grpc_port=0), **arguments)


async def test_a_lifespan_that_makes_no_context_manager_is_named() -> None:
    app = create_app(Settings(http_port=0, grpc_port=0), lifespan=lambda *_: None)
    with pytest.raises(TypeError, match="asynccontextmanager"):
        await app.state.service.start()


async def test_a_background_task_takes_the_resources_alone() -> None:
    async def task() -> None: ...

    with pytest.raises(TypeError, match="task must take the resources"):
        create_app(Settings(http_port=0, grpc_port=0), background=[task])


@pytest.mark.parametrize("check", [None, lambda pool: pool])
def test_what_is_no_check_is_refused(check: Any) -> None:
    with pytest.raises(TypeError, match=r"'database' must be a function without arguments"):
        Health([]).watch("database", check, every=1)


class Database(BaseModel):
    password: SecretStr
    hosts: list[str] = []


class Nested(ServiceSettings, prefix="NESTED_"):
    database: Database


class Delimited(Nested, prefix="NESTED_", env_nested_delimiter="__"):
    """Each field of the inner model has a variable."""


@pytest.mark.parametrize(
    ("settings", "variables", "message"),
    [
        (Nested, {"DATABASE": "{}"}, "NESTED_DATABASE: password: Field required"),
        (Delimited, {"DATABASE__HOSTS": "[]"}, "NESTED_DATABASE__PASSWORD: Field required"),
    ],
)
def test_errors_in_nested_settings_name_the_inner_field(
    settings: type[ServiceSettings],
    variables: dict[str, str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv("NESTED_" + name, value)
    with pytest.raises(SettingsError) as error:
        settings()
    assert str(error.value) == message


def test_settings_can_be_handed_to_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(password=SecretStr("hunter2"), hosts=["a", "b"])
    settings = Nested(database=database, reflection=False, drain_seconds=0.5, http_port=0)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    again = Nested()  # type: ignore[call-arg] # read from the environment
    assert again == settings
    assert again.database.password.get_secret_value() == "hunter2"


class Seen(GreeterService):
    """Tells what the call sees."""

    async def SayHello(self, request: Any, context: Any) -> Any:
        later: list[Any] = []
        await asyncio.create_task(self._later(later))
        seen = (request_id(), caller() is not None, later[0] == request_id())
        return pb.SayHelloResponse(message=repr(seen))

    async def _later(self, seen: list[Any]) -> None:
        seen.append(request_id())


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_current_call_is_known_in_calls_and_routes_and_nowhere_else(
    protocol: str,
) -> None:
    outside: dict[str, Any] = {}
    ran = asyncio.Event()

    @asynccontextmanager
    async def lifespan(_settings: Any, _health: Any) -> AsyncIterator[None]:
        outside["lifespan"] = (request_id(), caller())
        yield
        outside["end"] = (request_id(), caller())

    async def task(_resources: None) -> None:
        outside["task"] = (request_id(), caller())
        ran.set()

    async def route() -> dict[str, Any]:
        return {"id": request_id(), "known": caller() is not None}

    settings = Settings(http_port=0, grpc_port=0, auth_tokens=SecretStr("secret"))
    arguments = {"servicers": [Seen], "lifespan": lifespan, "background": [task]}
    routes = [Gateway("/own", handler=framework_get()(route))]
    metadata = {"authorization": "Bearer secret", "x-request-id": "42"}
    async with serve(settings, routes=routes, **arguments) as server:
        await ran.wait()
        async with client(server, protocol) as call:
            outcome = await call("SayHello", pb.SayHelloRequest(), **metadata)
        async with http_client(server) as http:
            answer = await http.get("/own", headers=metadata)
    assert [message.message for message in outcome.messages] == ["('42', True, True)"]
    assert answer.json() == {"id": "42", "known": True}
    nowhere = (None, None)
    assert outside == {"lifespan": nowhere, "task": nowhere, "end": nowhere}

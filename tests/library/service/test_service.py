"""`Service`: what its lifespan, servicers, background tasks, checks and errors do, and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import httpx
import pytest
from greeter.app import GreeterService, create_app, serve
from greeter.settings import Settings
from greeter_service.v1 import greeter_pb2 as pb
from grpc_health.v1 import health_pb2, health_pb2_grpc
from polyrpc import CallError, Health, Service
from polyrpc.testing import Outcome

QUICK = Settings(http_port=0, grpc_port=0, shutdown_grace_seconds=5.0)


class Log(list[str]):
    """What happened, in order; it can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def note(self, what: str) -> None:
        self.append(what)
        self._more.set()

    async def until(self, what: str) -> None:
        async with asyncio.timeout(10):
            while what not in self:
                self._more.clear()
                await self._more.wait()


class NeedsLog(GreeterService):
    """A servicer with resources."""

    def __init__(self, log: Log) -> None:
        self.log = log
        log.note("servicer")

    async def SayHello(self, request: Any, context: Any) -> Any:
        self.log.note("call")
        try:
            if request.name == "slow":
                await asyncio.sleep(0.2)
            return pb.SayHelloResponse(message=request.name)
        finally:
            self.log.note("call ended")


def logging_lifespan(log: Log) -> Any:
    @asynccontextmanager
    async def lifespan(_settings: Any, _health: Health) -> AsyncIterator[Log]:
        log.note("open")
        yield log
        log.note("close")

    return lifespan


async def say_hello(port: int, name: str) -> Any:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(
            f"http://127.0.0.1:{port}/grpc/needslog/sayhello", json={"name": name}
        )


async def test_resources_are_open_from_before_the_first_call_to_after_the_last_one() -> None:
    log = Log()

    async def outbox(resources: Log) -> None:
        resources.note("background")
        try:
            await asyncio.Event().wait()
        finally:
            resources.note("background ended")

    server = serve(QUICK, servicers=[NeedsLog], lifespan=logging_lifespan(log), background=[outbox])
    async with server:
        await log.until("background")
        slow = asyncio.create_task(say_hello(server.http_port, "slow"))
        await log.until("call")
    assert (await slow).json() == {"message": "slow"}
    assert log == [
        *("open", "servicer", "background"),
        *("call", "call ended", "background ended", "close"),
    ]


async def test_a_servicer_without_arguments_is_made_at_each_start() -> None:
    made = []

    class Plain(GreeterService):
        def __init__(self) -> None:
            made.append(self)

    app = create_app(QUICK, servicers=[Plain])
    assert made == []
    service = Service.of(app)
    for _ in range(2):
        await service.start()
        await service.stop(0)
        await service.close(0)
    assert len(made) == 2


async def test_the_lifespan_is_the_same_under_any_asgi_server() -> None:
    log = Log()
    app = create_app(QUICK, servicers=[NeedsLog], lifespan=logging_lifespan(log))
    events: asyncio.Queue[Any] = asyncio.Queue()
    answers: asyncio.Queue[Any] = asyncio.Queue()
    running = asyncio.create_task(
        app({"type": "lifespan", "state": {}}, events.get, answers.put)  # type: ignore[arg-type] # as ASGI has it
    )
    await events.put({"type": "lifespan.startup"})
    assert await answers.get() == {"type": "lifespan.startup.complete"}
    assert log == ["open", "servicer"]
    assert app.state.resources is log
    await events.put({"type": "lifespan.shutdown"})
    assert (await answers.get())["type"] == "lifespan.shutdown.complete"
    assert log[-1] == "close"
    await running


async def test_what_is_open_is_closed_when_the_start_fails() -> None:
    log = Log()

    class Broken(GreeterService):
        def __init__(self, _log: Log) -> None:
            raise RuntimeError("no licence")

    server = serve(QUICK, servicers=[Broken], lifespan=logging_lifespan(log))
    with pytest.raises(RuntimeError, match="no licence"):
        await server.start()
    assert log == ["open", "close"]


@pytest.mark.parametrize("lifespan", [None, "one"])
def test_a_servicer_may_take_the_resources_and_nothing_else(lifespan: str | None) -> None:
    class Greedy(GreeterService):
        def __init__(self, pool: object, cache: object) -> None: ...

    class WithoutLifespan(GreeterService):
        def __init__(self, pool: object) -> None: ...

    servicer = Greedy if lifespan else WithoutLifespan
    with pytest.raises(ValueError, match=f"^{servicer.__name__}.__init__ "):
        create_app(QUICK, servicers=[servicer], lifespan=lifespan and logging_lifespan(Log()))


# What the service depends on.


async def is_serving(port: int) -> bool:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        answers = [
            await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=service)
            )
            for service in ("", "greeter_service.v1.Greeter")
        ]
    states = {answer.status for answer in answers}
    assert len(states) == 1
    return states == {health_pb2.HealthCheckResponse.SERVING}


async def hang() -> None:
    await asyncio.Event().wait()


async def fail() -> None:
    raise ConnectionError("password=hunter2")


async def be_cancelled() -> None:
    raise asyncio.CancelledError  # such as a pool whose own task was cancelled


@pytest.mark.parametrize("how", [hang, fail, be_cancelled, lambda: False])
async def test_readiness_follows_what_is_watched(
    how: Any, caplog: pytest.LogCaptureFixture
) -> None:
    check = how
    changes: asyncio.Queue[bool] = asyncio.Queue()

    async def database() -> Any:
        result = check()
        return await result if asyncio.iscoroutine(result) else result

    @asynccontextmanager
    async def lifespan(_settings: Any, health: Health) -> AsyncIterator[None]:
        health.watch("database", database, every=0.02)
        health.watch("cache", lambda: None, every=60)
        yield

    async with serve(QUICK, lifespan=lifespan) as server, httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{server.http_port}/readyz"
        # The first check has ended before: nothing is to be waited for.
        refusal = await client.get(url)
        assert refusal.status_code == 503
        assert "database" in refusal.text
        assert "cache" not in refusal.text
        assert "hunter2" not in refusal.text
        assert not await is_serving(server.grpc_port)
        said = [line for line in caplog.messages if line.startswith("health check database ")]
        assert len(said) == 1
        assert said[0].endswith(": not ready")

        check = lambda: None  # noqa: E731 - it is well again
        async with asyncio.timeout(10):
            while (await client.get(url)).status_code != 200:
                pass
        assert await is_serving(server.grpc_port)
    assert changes.empty()


@pytest.mark.parametrize(("name", "every"), [("database", 5), ("cache", 0), ("cache", -1)])
def test_a_watch_has_a_name_of_its_own_and_a_period(name: str, every: float) -> None:
    health = Health([])
    health.watch("database", lambda: None, every=5)
    with pytest.raises(ValueError, match=r"^health\.watch: "):
        health.watch(name, lambda: None, every=every)


# Background tasks.


@pytest.mark.parametrize("error", [ConnectionError("gone"), asyncio.CancelledError()])
async def test_a_background_task_that_fails_is_started_again(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def quick_sleep(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    monkeypatch.setattr("polyrpc.background.asyncio.sleep", quick_sleep)
    started = 0
    ended = asyncio.Event()

    async def outbox(_resources: Any) -> None:
        nonlocal started
        started += 1
        if started <= 8:
            raise error  # also that of what it waits for, when somebody cancels that
        ended.set()

    async with serve(QUICK, background=[outbox]):
        await asyncio.wait_for(ended.wait(), 10)
    assert [pause for pause in pauses if pause >= 1] == [1, 2, 4, 8, 16, 32, 60, 60]
    failures = [record for record in caplog.records if "outbox failed" in record.getMessage()]
    assert len(failures) == 8


@pytest.mark.parametrize("task", [print, lambda _: None, "outbox"])
def test_what_is_no_coroutine_function_is_no_background_task(task: Any) -> None:
    with pytest.raises(TypeError, match=r"^background: .* must be a coroutine function"):
        create_app(QUICK, background=[task])


# Exceptions.


class OrderError(Exception):
    """The team's."""


class OrderNotFoundError(OrderError):
    """Has a code of its own."""


class OrderExpiredError(OrderError):
    """Has its parent's."""


class Failing(GreeterService):
    """Raises what the name says."""

    async def SayHello(self, request: Any, context: Any) -> Any:
        kinds: dict[str, Any] = {
            "not found": OrderNotFoundError,
            "expired": OrderExpiredError,
            "key": KeyError,
        }
        if request.name == "call error":
            raise CallError(grpc.StatusCode.ABORTED, "on purpose")
        raise kinds[request.name](f"{request.name}!")


@pytest.fixture
def service_arguments() -> dict[str, Any]:
    return {
        "servicers": [Failing],
        "errors": {
            OrderError: grpc.StatusCode.FAILED_PRECONDITION,
            OrderNotFoundError: grpc.StatusCode.NOT_FOUND,
        },
    }


@pytest.mark.parametrize(
    ("name", "status", "details"),
    [
        ("not found", "NOT_FOUND", "not found!"),
        ("expired", "FAILED_PRECONDITION", "expired!"),
        ("key", "UNKNOWN", "Unexpected error"),
        ("call error", "ABORTED", "on purpose"),
    ],
)
async def test_exceptions_have_codes(call: Any, name: str, status: str, details: str) -> None:
    outcome: Outcome = await call("SayHello", pb.SayHelloRequest(name=name))
    assert (outcome.status, outcome.details) == (status, details)


@pytest.mark.parametrize(
    "errors", [{"OrderError": grpc.StatusCode.NOT_FOUND}, {OrderError: 5}, {OrderError: None}]
)
def test_a_wrong_table_of_errors_is_refused(errors: Any) -> None:
    with pytest.raises(TypeError, match=r"^errors: "):
        create_app(QUICK, errors=errors)

"""The recipes of a generated project do what they say, on real sockets and with real servers.

Their code is taken out of the rendered documents, so that what is tested is what stands there.
"""

from __future__ import annotations

import asyncio
import hmac
import itertools
import json
import re
import threading
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from baking import bake
from databases import (
    NEEDS_POSTGRESQL,
    NEEDS_REDIS,
    SECRET,
    Database,
    database_server,
    redis_server,
)
from grpc import StatusCode
from recipes.document import blocks
from recipes.others import SigningKey, Web, stock_service, web
from recipes.serving import Kitchen, Project, Running, until
from screenshot_docs import browser, errors
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as conditions
from selenium.webdriver.support.wait import WebDriverWait

MOST_LINES = 39
# Each with those that come before it.
RECIPES = {
    "postgresql": ("postgresql",),
    "outbox": ("postgresql", "outbox"),
    "redis-cache": ("redis-cache",),
    "jwt": ("jwt",),
    "jwt-tests": ("jwt", "jwt-tests"),
    "validation": ("validation",),
    "rate-limit": ("rate-limit",),
    "another-service": ("another-service",),
    "upload-and-webhook": ("upload-and-webhook",),
    "browser": ("browser",),
}

REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
ORDERS = Path(__file__).with_name("protos") / "orders/v1/orders.proto"
STOCK = Path(__file__).with_name("recipes") / "stock.proto"

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("recipes")]


@pytest.fixture(scope="module")
def kitchen(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Kitchen:
    project = bake(template, tmp_path_factory.mktemp("recipes"))
    return Kitchen(project, tmp_path_factory.mktemp("kitchen"))


@pytest.fixture(scope="module")
def ravyn_kitchen(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Kitchen:
    project = bake(template, tmp_path_factory.mktemp("ravyn_recipes"), {"framework": "ravyn"})
    return Kitchen(project, tmp_path_factory.mktemp("ravyn_kitchen"))


@pytest.fixture(scope="module")
def orders_kitchen(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Kitchen:
    """Of a project that is made of a `.proto`: the one that its recipes speak of."""
    folder = tmp_path_factory.mktemp("orders_recipes")
    project = bake(template, folder, {"proto_file": str(ORDERS)}, hooks=True)
    return Kitchen(project, tmp_path_factory.mktemp("orders_kitchen"))


@pytest.fixture(params=["kitchen", "ravyn_kitchen"])
def either_kitchen(request: pytest.FixtureRequest) -> Kitchen:
    """Of either framework, for what imports something of it."""
    kitchen: Kitchen = request.getfixturevalue(request.param)
    return kitchen


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with database_server() as server:
        yield server


def made(kitchen: Kitchen, recipe: str) -> Project:
    """A project with a recipe, and with what the recipe takes from elsewhere."""
    protos = {}
    if recipe == "another-service":
        protos["stock/v1/stock.proto"] = STOCK.read_text(encoding="utf-8")
    elif recipe == "validation":
        protos["buf/validate/validate.proto"] = kitchen.validate_proto()
    return kitchen.project(*RECIPES[recipe], protos=protos)


def test_the_index_names_every_recipe(kitchen: Kitchen) -> None:
    names = {path.stem for path in kitchen.documents.glob("*.md")} - {"README"}
    assert names == {*RECIPES, "migrations"}
    index = (kitchen.documents / "README.md").read_text(encoding="utf-8")
    assert all(f"]({name}.md)" in index for name in names)


@pytest.mark.parametrize("name", ["kitchen", "orders_kitchen"])
def test_each_is_short(name: str, request: pytest.FixtureRequest) -> None:
    kitchen: Kitchen = request.getfixturevalue(name)
    lines = {
        path.stem: sum(
            len(block.code())
            for block in blocks(path)
            if block.path.endswith((".py", ".html", ".proto"))
        )
        for path in kitchen.documents.glob("*.md")
    }
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_style_and_types_are_clean(kitchen: Kitchen) -> None:
    for recipe in RECIPES:
        made(kitchen, recipe).check()


def test_they_fit_a_project_that_is_made_of_a_proto(orders_kitchen: Kitchen) -> None:
    for recipe in RECIPES:
        made(orders_kitchen, recipe).check()
    # Every RPC answers UNIMPLEMENTED still, to those who may call.
    assert " passed" in made(orders_kitchen, "jwt-tests").run("pytest", "-q")


def test_they_do_not_speak_of_the_example_where_there_is_none(
    template: Path, tmp_path: Path
) -> None:
    answers = {"proto_file": str(ORDERS), "project_name": "Shop Service"}
    project = bake(template, tmp_path, answers, hooks=True)
    told = re.compile("greet|hello|collectnames|chat", re.IGNORECASE)
    found = {
        document.name: told.findall(document.read_text(encoding="utf-8"))
        for document in (project / "docs" / "recipes").glob("*.md")
    }
    assert {name: words for name, words in found.items() if words} == {}


def sqlalchemy_url(database: Database) -> str:
    return database.url.replace("postgresql:", "postgresql+asyncpg:")


def fresh(project: Project, database: Database, name: str) -> str:
    """The URL of a new database on the server, with the tables of the project's models."""
    database.execute(f"CREATE DATABASE {name}")
    url = sqlalchemy_url(database).replace("@/postgres?", f"@/{name}?")
    create = (
        "import asyncio, os; from sqlalchemy.ext.asyncio import create_async_engine\n"
        "import greeter_service.app; from greeter_service.models import Base\n"
        "async def main():\n"
        "    async with create_async_engine(os.environ['URL']).begin() as connection:\n"
        "        await connection.run_sync(Base.metadata.create_all)\n"
        "asyncio.run(main())"
    )
    project.run("python", "-c", create, variables={"URL": url})
    return url


@NEEDS_POSTGRESQL
async def test_postgresql(kitchen: Kitchen, database: Database) -> None:
    project = made(kitchen, "postgresql")
    url = fresh(project, database, "greetings")
    async with project.running(DATABASE_URL=url) as service:
        for call in service.calls:
            assert await call("Ada") == ("OK", "Hello, Ada!")
            assert (await call("error"))[0] == "INVALID_ARGUMENT"
        rows = database.execute("SELECT name FROM greetings", "greetings")
        assert rows == ["Ada", "Ada"]
        assert await service.readiness() == (200, "")
        database.stop()
        try:
            await until(lambda: _is(service, (503, "not serving: database")))
            assert (await service.over_http("Bob"))[0] == "UNKNOWN"
        finally:
            database.start()
        await until(lambda: _is(service, (200, "")))
        for call in service.calls:
            assert await call("Eve") == ("OK", "Hello, Eve!")
    assert SECRET not in str(service.log)


async def _is(service: Running, expected: tuple[int, str]) -> bool:
    return await service.readiness() == expected


@NEEDS_POSTGRESQL
def test_the_tests_of_a_project_with_postgresql(kitchen: Kitchen, database: Database) -> None:
    project = made(kitchen, "postgresql")
    url = fresh(project, database, "tested")
    gone = "--deselect=tests/test_greeter.py::test_says_hello_without_a_server"
    said = project.run("pytest", "-q", gone, variables={"TEST_DATABASE_URL": url})
    assert " passed" in said
    with pytest.raises(AssertionError) as error:
        project.run("pytest", "-q", variables={"TEST_DATABASE_URL": ""})
    line = str(error.value).partition("\nassert ")[0].strip()
    assert line == "ERROR: set TEST_DATABASE_URL to a database whose tables tests may drop"


@NEEDS_POSTGRESQL
def test_migrations(kitchen: Kitchen, database: Database) -> None:
    project = kitchen.project("postgresql", "outbox", "migrations", protos={})
    database.execute("CREATE DATABASE migrated")
    url = sqlalchemy_url(database).replace("@/postgres?", "@/migrated?")
    document = kitchen.documents / "migrations.md"
    commands = [block.text.splitlines() for block in blocks(document) if block.kind == "sh"]
    assert [len(lines) for lines in commands] == [1, 3]
    for line in commands[0]:
        project.shell(line)
    project.follow(document, within="src/greeter_service/migrations/")
    settings = {"DATABASE_URL": url, "EVENTS_URL": "http://localhost"}
    for line in commands[1]:
        project.shell(line, **settings)
    for table in ("greetings", "outbox"):
        assert database.execute(f"SELECT count(*) FROM {table}", "migrated") == ["0"]
    # A column that no revision has.
    models = project.folder / "src" / "greeter_service" / "models.py"
    models.write_text(models.read_text() + "    title: Mapped[str | None]\n")
    with pytest.raises(AssertionError, match="New upgrade operations detected"):
        project.shell("alembic check", **settings)
    project.check()


@NEEDS_POSTGRESQL
async def test_outbox(kitchen: Kitchen, database: Database) -> None:
    project = made(kitchen, "outbox")
    url = fresh(project, database, "outbox")

    async def sent(number: int) -> bool:
        return len(events(receiver)) >= number

    async def refused() -> bool:
        return receiver.refused > 0

    with web() as receiver:
        settings = {"DATABASE_URL": url, "EVENTS_URL": receiver.url, "WORKERS": 2}
        async with project.running(**settings) as service:
            for name in map(str, range(20)):
                for call in service.calls:
                    assert (await call(name))[0] == "OK"
            await until(lambda: sent(40))
            receiver.status = 503
            assert (await service.over_grpc("late"))[0] == "OK"
            await until(refused)
        assert any("background task outbox failed" in line["event"] for line in service.log)
        assert "httpx" not in {line.get("logger") for line in service.log}
        receiver.status = 200
        async with project.running(**settings):
            await until(lambda: sent(41))
        told = [event["text"] for event in events(receiver)]
        names = [*map(str, range(20)), *map(str, range(20)), "late"]
        assert sorted(told) == sorted(f"{name} was greeted" for name in names)
        assert len({event["id"] for event in events(receiver)}) == 41
    assert database.execute("SELECT count(*) FROM outbox", "outbox") == ["0"]


def events(receiver: Web) -> list[dict[str, Any]]:
    """What the receiver was told, one batch after the other."""
    return [event for batch in receiver.posts for event in batch]


@NEEDS_POSTGRESQL
async def test_an_outbox_sends_many_at_once(kitchen: Kitchen, database: Database) -> None:
    project = made(kitchen, "outbox")
    url = fresh(project, database, "batches")
    rows = "INSERT INTO outbox (text) SELECT number::text FROM generate_series(1, 950) AS number"
    database.execute(rows, "batches")

    async def sent() -> bool:
        return len(events(receiver)) >= 950

    with web() as receiver:
        settings = {"DATABASE_URL": url, "EVENTS_URL": receiver.url, "WORKERS": 2}
        async with project.running(**settings):
            await until(sent)
        assert sorted(event["id"] for event in events(receiver)) == list(range(1, 951))
        assert sorted(map(len, receiver.posts)) == [50, *[100] * 9]
    assert database.execute("SELECT count(*) FROM outbox", "batches") == ["0"]


@NEEDS_POSTGRESQL
async def test_stops_under_load_lose_no_event_and_double_none(
    kitchen: Kitchen, database: Database
) -> None:
    project = made(kitchen, "outbox")
    url = fresh(project, database, "stopped")
    answered: list[str] = []

    async def calls(call: Any, caller: str) -> None:
        # Until nobody answers: a stop answers what it has accepted.
        for number in itertools.count():
            name = f"{caller}-{number}"
            try:
                status, _ = await call(name)
            except httpx.TransportError:
                return
            if status != "OK":
                return
            answered.append(name)

    async def called(number: int) -> bool:
        return len(answered) >= number

    async def sent() -> bool:
        return database.execute("SELECT count(*) FROM outbox", "stopped") == ["0"]

    with web() as receiver:
        settings = {"DATABASE_URL": url, "EVENTS_URL": receiver.url, "WORKERS": 2}
        for time in range(3):
            async with project.running(**settings) as service, asyncio.TaskGroup() as callers:
                for number in range(10):
                    for call in service.calls:
                        name = f"{time}-{number}-{call.__name__}"
                        callers.create_task(calls(call, name))
                await until(partial(called, 300 * (time + 1)))
                service.stop()
        async with project.running(**settings):
            await until(sent)
        told = [event["text"].removesuffix(" was greeted") for event in events(receiver)]
        assert set(answered) <= set(told)
        greeted = database.execute("SELECT name FROM greetings", "stopped")
        assert sorted(told) == sorted(greeted)
        assert len(set(told)) == len(told)


@NEEDS_POSTGRESQL
async def test_a_stop_waits_for_the_batch_that_is_on_its_way(
    kitchen: Kitchen, database: Database
) -> None:
    project = made(kitchen, "outbox")
    url = fresh(project, database, "on_its_way")
    arrived, answer = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        arrived.set()
        answer.wait(60)

    async def no_longer_accepts() -> bool:
        try:
            await service.http.get("/healthz")
        except httpx.TransportError:
            return True
        return False

    with web() as receiver:
        receiver.on_post = hold
        async with project.running(DATABASE_URL=url, EVENTS_URL=receiver.url) as service:
            assert (await service.over_http("Ada"))[0] == "OK"
            await asyncio.to_thread(arrived.wait, 60)
            service.stop()
            await until(no_longer_accepts)
            answer.set()
        assert [event["text"] for event in events(receiver)] == ["Ada was greeted"]
        assert len(receiver.posts) == 1
    assert database.execute("SELECT count(*) FROM outbox", "on_its_way") == ["0"]


@NEEDS_REDIS
async def test_redis_cache(kitchen: Kitchen) -> None:
    project = made(kitchen, "redis-cache")
    key = "greeter-service:greeting:Ada"
    with redis_server() as redis:
        async with project.running(REDIS_URL=redis.url) as service:
            for call in service.calls:
                assert await call("Ada") == ("OK", "Hello, Ada!")
            assert 0 < int(redis.execute("TTL", key)) <= 60
            redis.execute("SET", key, "\n\x04kept")
            for call in service.calls:
                assert await call("Ada") == ("OK", "kept")
            redis.stop()
            for call in service.calls:
                assert await call("Ada") == ("OK", "Hello, Ada!")
            assert await service.readiness() == (200, "")
            redis.start()
            assert await service.over_http("Ada") == ("OK", "Hello, Ada!")
            assert redis.execute("EXISTS", key) == "1"
    assert SECRET not in str(service.log)


async def test_jwt(kitchen: Kitchen) -> None:
    project = made(kitchen, "jwt")
    key, stranger = SigningKey("one"), SigningKey("one")
    said = {"iss": "https://issuer", "aud": "greeter", "scope": "other greetings.read"}
    good = key.token(**said)
    header, claims, _ = good.split(".")
    unsigned = f"eyJhbGciOiJub25lIiwia2lkIjoib25lIn0.{claims}."  # {"alg":"none","kid":"one"}
    refused = [
        "",
        "Bearer",
        "Bearer x",
        f"Bearer {unsigned}",
        f"Bearer {header}.{claims}.",
        f"Bearer {stranger.token(**said)}",
        f"Bearer {SigningKey('two').token(**said)}",
        f"Bearer {key.token(**said, exp=1)}",
        f"Bearer {key.token(**{**said, 'iss': 'https://other'})}",
        f"Bearer {key.token(**{**said, 'aud': 'other'})}",
    ]
    with web() as issuer:
        issuer.document = {"keys": [key.published()]}
        settings = {
            "JWT_ISSUER": "https://issuer",
            "JWT_AUDIENCE": "greeter",
            "JWT_KEYS_URL": issuer.url,
        }
        async with project.running(**settings) as service:
            for call in service.calls:
                assert await call("Ada", authorization=f"Bearer {good}") == ("OK", "Hello, Ada!")
                for header in refused:
                    assert await call("Ada", authorization=header) == (
                        "UNAUTHENTICATED",
                        "A valid token is required",
                    )
                lacking = key.token(**{**said, "scope": "other"})
                assert (await call("Ada", authorization=f"Bearer {lacking}"))[0] == (
                    "PERMISSION_DENIED"
                )
            answer = await service.http.post(
                "/grpc/greeterservice/collectnames",
                json=[],
                headers={"authorization": f"Bearer {good}"},
            )
            assert answer.status_code == 403
            refusal = StatusCode.PERMISSION_DENIED
            assert await reflection(service, authorization=f"Bearer {good}") is refusal
            assert await reflection(service) is StatusCode.UNAUTHENTICATED
            document = (await service.http.get("/openapi.json")).json()
            operation = document["paths"]["/grpc/greeterservice/sayhello"]["post"]
            assert operation["security"] == [{"bearer": []}]
        assert good not in str(service.log)
        callers = {(line["code"], line.get("caller")) for line in service.log if "code" in line}
        assert {caller for _, caller in callers} == {"ada", None}
        assert ("OK", "ada") in callers
        assert ("PERMISSION_DENIED", "ada") in callers
        assert ("UNAUTHENTICATED", "ada") not in callers
        issuer.status = 503
        async with project.running(**settings) as service:
            ready = (503, "not serving: keys of the issuer")
            assert await service.readiness() == ready


async def reflection(service: Running, **metadata: str) -> StatusCode:
    """How a session ends that asks for nothing: a refusal comes at once."""
    session: Any = service.channel.stream_stream(REFLECTION)
    code: StatusCode = await session(metadata=list(metadata.items())).code()
    return code


def test_the_tests_of_a_project_with_tokens(kitchen: Kitchen) -> None:
    assert " passed" in made(kitchen, "jwt-tests").run("pytest", "-q")


def test_keys_are_changed_and_outlive_their_issuer(kitchen: Kitchen) -> None:
    script = """
import asyncio, json, sys, types
import httpx
from greeter_service.authentication import Issuer

async def main():
    url, one, two = sys.argv[1:]
    issuer = Issuer(types.SimpleNamespace(jwt_issuer="i", jwt_audience="a", jwt_keys_url=url))
    known = []
    for answer in ("one", "two", "fails"):
        async with httpx.AsyncClient() as http:
            await http.post(url, json=answer)
        await issuer.fetch_keys()
        for token in (one, two):
            try:
                known.append(issuer.claims_of(token)["sub"])
            except KeyError:
                known.append(None)
    print(json.dumps(known))

asyncio.run(main())
"""
    keys = {"one": SigningKey("1"), "two": SigningKey("2")}
    tokens = [key.token(iss="i", aud="a", sub=name) for name, key in keys.items()]

    def turn(answer: str) -> None:
        if answer in keys:
            issuer.document = {"keys": [keys[answer].published()]}
        else:
            issuer.document = "no keys"

    with web() as issuer:
        issuer.on_post = turn
        said = made(kitchen, "jwt").run("python", "-c", script, issuer.url, *tokens)
    assert json.loads(said) == ["one", None, None, "two", None, "two"]


async def test_validation(kitchen: Kitchen) -> None:
    async with made(kitchen, "validation").running() as service:
        for call in service.calls:
            assert await call("Ada") == ("OK", "Hello, Ada!")
            assert (await call(""))[0] == (await call("A" * 101))[0] == "INVALID_ARGUMENT"
        answer = await service.http.post("/grpc/greeterservice/sayhello", json={"name": ""})
        (detail,) = answer.json()["details"]
        assert detail["@type"] == "type.googleapis.com/google.rpc.BadRequest"
        assert [violation["field"] for violation in detail["fieldViolations"]] == ["name"]


async def test_rate_limit(kitchen: Kitchen) -> None:
    project = made(kitchen, "rate-limit")
    async with project.running(AUTH_TOKENS="by-http,by-grpc,another") as service:
        for call, token in zip(service.calls, ("by-http", "by-grpc"), strict=True):

            async def by(token: str, call: Any = call) -> str:
                status, _ = await call("Ada", authorization=f"Bearer {token}")
                return str(status)

            async def again(token: str = token) -> bool:
                return await by(token) == "OK"

            # More at once than are saved up.
            statuses = await asyncio.gather(*(by(token) for _ in range(200)))
            assert set(statuses) == {"OK", "RESOURCE_EXHAUSTED"}
            assert statuses.count("OK") >= 20
            assert await by("another") == "OK"
            await until(again)
    async with project.running() as service:
        answers = await asyncio.gather(*(service.over_http("Ada") for _ in range(200)))
        assert {status for status, _ in answers} == {"OK", "RESOURCE_EXHAUSTED"}


async def test_another_service(kitchen: Kitchen) -> None:
    async with (
        stock_service() as stock,
        made(kitchen, "another-service").running(STOCK_TARGET=stock.target) as service,
    ):
        for number, call in enumerate(service.calls):
            said = {"x-request-id": f"id-{number}", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
            assert await call("Ada", **said) == ("OK", "Hello, Ada! 3 cakes are left")
            assert said.items() <= stock.metadata[-1].items()
            assert 1 < stock.remaining[-1] < 2.1  # the deadline of the channel
        answer = await service.over_http("Ada", **{"grpc-timeout": "900m"})
        assert answer[0] == "OK"
        assert 0 < stock.remaining[-1] < 1  # what is left to the call
        stock.hangs = True
        for call in service.calls:
            assert await call("Ada") == ("UNAVAILABLE", "no stock: DEADLINE_EXCEEDED")


def test_the_tests_of_a_project_that_calls_another_service(kitchen: Kitchen) -> None:
    # They expect the example's own words, or call it without resources.
    gone = (
        f"--deselect=tests/test_greeter.py::{name}"
        for name in ("test_says_hello", "test_says_hello_without_a_server")
    )
    said = made(kitchen, "another-service").run("pytest", "-q", *gone)
    assert " passed" in said


async def test_upload_and_webhook(either_kitchen: Kitchen) -> None:
    settings = {"WEBHOOK_SECRET": SECRET, "AUTH_TOKENS": "known", "MAX_MESSAGE_BYTES": 100_000}
    known = {"authorization": "Bearer known"}
    async with made(either_kitchen, "upload-and-webhook").running(**settings) as service:
        for size, status in ((0, 201), (5_000_000, 201), (10_000_001, 413)):
            photo = {"photo": ("p.jpg", b"x" * size)}
            answer = await service.http.post(
                "/photos", data={"by": "Ada"}, files=photo, headers=known
            )
            assert answer.status_code == status
            if status == 201:
                assert answer.json() == {"name": "p.jpg", "bytes": size, "by": "Ada"}
        assert (await service.http.post("/photos", files=photo)).status_code == 401

        async def post(body: bytes, signature: str) -> tuple[int, Any]:
            headers = [(b"x-signature", signature.encode())]
            answer = await service.http.post("/webhooks/payments", content=body, headers=headers)
            return answer.status_code, answer.json()

        for body in (b'{"order": 7}', b'{ "order" : 7, "request": {} }'):
            signature = hmac.new(SECRET.encode(), body, sha256).hexdigest()
            assert await post(body, signature) == (200, {"paid": 7})
            for wrong in ("", "x", "\xe9", signature.upper(), signature[:-1]):
                status, answered = await post(body, wrong)
                assert (status, answered["detail"]) == (403, "The signature is wrong")
        assert (await post(b"x" * 100_001, ""))[0] == 413
        assert (await service.http.get("/webhooks/payments")).status_code == 405
    assert SECRET not in str(service.log)


async def test_a_page_in_a_browser(either_kitchen: Kitchen, tmp_path: Path) -> None:
    def visit(url: str) -> None:
        with browser(str(tmp_path)) as driver:
            wait = WebDriverWait(driver, 30)
            driver.get(f"{url}/greet")
            said = (By.ID, "said")
            field = driver.find_element(By.ID, "name")
            button = driver.find_element(By.ID, "greet")
            button.click()
            wait.until(conditions.text_to_be_present_in_element(said, "Hello, World! (2)"))
            assert driver.find_element(*said).text.splitlines() == [
                *("Hello, World!", "Hello, World! (1)", "Hello, World! (2)")
            ]
            faults = [entry["message"] for entry in errors(driver)]
            assert [fault for fault in faults if "/favicon.ico" not in fault] == []
            field.clear()
            field.send_keys("error")
            button.click()
            text = "INVALID_ARGUMENT: Invalid request"
            wait.until(conditions.text_to_be_present_in_element(said, text))

    async with made(either_kitchen, "browser").running() as service:
        await asyncio.to_thread(visit, service.url)

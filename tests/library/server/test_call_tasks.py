"""The tasks in which requests over HTTP/2 are answered: as if each had one of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import pytest
from polyrpc.server.call_tasks import CallTasks
from wire import until

NUMBER: ContextVar[int] = ContextVar("number", default=-1)
COUNT = 50


class Requests:
    """Some requests, and what is seen of their tasks."""

    def __init__(self) -> None:
        self.calls = CallTasks()
        self.account = SimpleNamespace(running=0)
        self.tasks: list[set[asyncio.Task[Any] | None]] = []

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        self.calls.start(work, self.account, asyncio.get_running_loop())

    async def end(self) -> None:
        while self.calls.tasks:
            await asyncio.wait(list(self.calls.tasks), timeout=30)
            await asyncio.sleep(0)
        assert self.account.running == 0


@pytest.fixture
def requests() -> Requests:
    return Requests()


async def test_those_that_wait_for_nothing_share_a_task(requests: Requests) -> None:
    seen = []

    async def answer(number: int) -> None:
        assert NUMBER.get() == -1
        NUMBER.set(number)
        seen.append((number, asyncio.current_task()))

    for number in range(COUNT):
        requests.start(answer(number))
    assert requests.account.running == COUNT
    await requests.end()
    assert [number for number, _ in seen] == list(range(COUNT))
    assert len({task for _, task in seen}) == 1


async def test_each_that_waits_has_a_task_and_a_context_of_its_own(requests: Requests) -> None:
    released = asyncio.Event()
    seen: dict[int, set[asyncio.Task[Any] | None]] = {}

    async def answer(number: int) -> None:
        NUMBER.set(number)
        tasks = seen[number] = {asyncio.current_task()}
        await released.wait()
        tasks.add(asyncio.current_task())
        async with asyncio.timeout(30):
            await asyncio.sleep(0)
        tasks.add(asyncio.current_task())
        assert NUMBER.get() == number

    for number in range(COUNT):
        requests.start(answer(number))
    await until(lambda: len(seen) == COUNT)
    assert requests.account.running == COUNT
    released.set()
    await requests.end()
    assert all(len(tasks) == 1 for tasks in seen.values())
    assert len(set.union(*seen.values())) == COUNT


async def test_a_deadline_of_one_is_none_of_another(requests: Requests) -> None:
    ends = []

    async def answer(seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await asyncio.sleep(0.05)
        except TimeoutError:
            ends.append("late")
        else:
            ends.append("in time")

    for seconds in (0, 30, 0, 30):
        requests.start(answer(seconds))
    await requests.end()
    assert sorted(ends) == ["in time", "in time", "late", "late"]


def cancel_itself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


def give_up() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("harm", [cancel_itself, give_up])
async def test_one_that_ends_its_task_leaves_the_others_alone(
    requests: Requests, harm: Callable[[], None]
) -> None:
    answered = []

    async def answer(number: int) -> None:
        if number == 1:
            harm()
        answered.append(number)

    for number in range(4):
        requests.start(answer(number))
    await requests.end()
    assert answered in ([0, 1, 2, 3], [0, 2, 3])


async def test_a_task_that_is_cancelled_before_it_begins_leaves_none_unanswered(
    requests: Requests,
) -> None:
    answered = []

    async def answer(number: int) -> None:
        answered.append(number)

    for number in range(3):
        requests.start(answer(number))
    for task in requests.calls.tasks:
        task.cancel()
    await requests.end()
    assert answered == [0, 1, 2]


async def test_one_that_is_cancelled_while_it_waits_is_told(requests: Requests) -> None:
    ends = []

    async def answer() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            ends.append(error.args)

    requests.start(answer())
    await asyncio.sleep(0)
    for task in requests.calls.tasks:
        task.cancel("the server is stopping")
    await requests.end()
    assert ends == [("the server is stopping",)]

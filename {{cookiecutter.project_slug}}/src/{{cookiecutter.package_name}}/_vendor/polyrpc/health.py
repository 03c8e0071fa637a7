"""Whether the service may be sent calls: one answer for gRPC health checks and `/readyz`."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

logger = logging.getLogger("polyrpc.health")

Check = Callable[[], Awaitable[object] | object]
"""Tells whether something that the service depends on is there."""

SERVER = ""
"""What clients call the whole server when they ask for its health."""

_messages: Any = health_pb2  # The types of `List` are missing from its stubs.

Context = grpc.aio.ServicerContext[Any, Any]


class Health(health_pb2_grpc.HealthServicer):
    """`grpc.health.v1.Health`: NOT_SERVING until the listeners are up, and while draining.

    What the service depends on is watched with `watch`, in the lifespan. A servicer that cannot do
    its work calls `report("package.v1.Service", healthy=False)`; the whole server is healthy when
    all of its services and all that is watched are. All methods belong to the event loop's thread.

    Args:
        services: Full names of the services that clients may ask about, besides the whole server.
    """

    def __init__(self, services: Iterable[str]) -> None:
        self._healthy = dict.fromkeys(services, True)
        self._watches: dict[str, _Watch] = {}
        self._serving = False
        self._stopped = False
        self._changed = asyncio.Event()

    @classmethod
    def __add_to_server__(cls, instance: Any, server: Any) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(instance, server)

    @property
    def serving(self) -> bool:
        """What `/readyz` answers."""
        return self._serving and all(self._healthy.values()) and not self.failing

    @property
    def failing(self) -> list[str]:
        """The names of the checks that fail now."""
        return [name for name, watch in self._watches.items() if not watch.passes]

    def report(self, service: str, *, healthy: bool) -> None:
        """Tells whether one of the services can do its work.

        Raises:
            KeyError: It is none of the services.
        """
        if self._healthy[service] is not healthy:
            self._healthy[service] = healthy
            self._notify()

    def watch(self, name: str, check: Check, *, every: float) -> None:
        """Has `check` called again and again: while it fails, the service is not ready.

        It fails when it raises, returns False, or takes longer than `every`. `/readyz` names the
        checks that fail, health checks are answered NOT_SERVING for the server and each service.
        The first one ends before the service is reported ready.

        Args:
            name: For `/readyz` and the log.
            check: A coroutine function without arguments, or a function that does not block.
            every: Seconds from one call to the next.

        Raises:
            TypeError: `check` cannot be called without arguments.
            ValueError: There is one of that name already, or `every` is not positive.
        """
        if name in self._watches:
            raise ValueError(f"health.watch: {name!r} is watched already")
        try:
            inspect.signature(check).bind()
        except TypeError:
            raise TypeError(
                f"health.watch: the check {name!r} must be a function without arguments, "
                f"not {check!r}"
            ) from None
        except ValueError:  # Built in, it does not tell.
            pass
        if not every > 0:
            raise ValueError(f"health.watch: every must be more than 0 seconds, not {every!r}")
        self._watches[name] = _Watch(name, check, every, self._notify)

    async def begin_watching(self) -> None:
        """Calls every check for the first time, all at once, and from then on regularly."""
        watches = self._watches.values()
        await asyncio.gather(*(watch.look() for watch in watches))
        for watch in watches:
            watch.begin()

    def end_watching(self) -> None:
        """Calls no check any more, and forgets them."""
        for watch in self._watches.values():
            watch.end()
        self._watches.clear()

    def start(self) -> None:
        """The listeners are up."""
        self._serving, self._stopped = True, False
        self._notify()

    def drain(self) -> None:
        """Calls are still answered, but should go elsewhere from now on."""
        self._serving = False
        self._notify()

    def stop(self) -> None:
        """Ends the watches, which would last as long as their clients like."""
        self._serving, self._stopped = False, True
        self._notify()

    async def Check(  # noqa: N802 - the RPC's name
        self, request: HealthCheckRequest, context: Context
    ) -> HealthCheckResponse:
        """Answers at once; NOT_FOUND for a service that is not here."""
        status = self._status(request.service)
        if status == HealthCheckResponse.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return HealthCheckResponse(status=status)

    async def List(  # noqa: N802 - the RPC's name
        self,
        request: Any,  # noqa: ARG002 - gRPC passes it
        context: Context,  # noqa: ARG002 - gRPC passes it
    ) -> Any:
        """Answers for the server and every service."""
        statuses = {
            name: HealthCheckResponse(status=self._status(name))
            for name in (SERVER, *self._healthy)
        }
        return _messages.HealthListResponse(statuses=statuses)

    async def Watch(  # noqa: N802 - the RPC's name
        self, request: HealthCheckRequest, context: Context
    ) -> AsyncIterator[HealthCheckResponse]:
        """Answers at once and after each change, until the server stops."""
        told = None
        while True:
            changed = self._changed
            status = self._status(request.service)
            if status != told:
                told = status
                yield HealthCheckResponse(status=status)
            if self._stopped:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "the server is stopping")
            await changed.wait()

    def _status(self, service: str) -> int:
        if service == SERVER:
            healthy = self.serving
        elif service in self._healthy:
            healthy = self._serving and self._healthy[service] and not self.failing
        else:
            return HealthCheckResponse.SERVICE_UNKNOWN
        return HealthCheckResponse.SERVING if healthy else HealthCheckResponse.NOT_SERVING

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class _Watch:
    """One check, called regularly.

    Attributes:
        passes: What its last call has shown.
    """

    def __init__(self, name: str, check: Check, every: float, notify: Callable[[], None]) -> None:
        self.passes = True
        self._name = name
        self._check = check
        self._every = every
        self._notify = notify
        self._call: asyncio.Task[bool] | None = None
        self._loop: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._loop = asyncio.create_task(self._repeat())

    def end(self) -> None:
        for task in (self._loop, self._call):
            if task is not None:
                task.cancel()

    async def look(self) -> None:
        """Calls the check, or waits on for a call that hangs; takes `every` seconds at most."""
        if self._call is None:
            self._call = asyncio.create_task(self._passes())
        done, _ = await asyncio.wait({self._call}, timeout=self._every)
        passes = False
        if done:
            passes = self._call.result()
            self._call = None
        else:
            self._call.cancel()
            self._say(f"takes longer than {self._every:g} s")
        if passes is not self.passes:
            self.passes = passes
            if passes:
                logger.info("health check %s passes again", self._name)
            self._notify()

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            await self.look()

    async def _passes(self) -> bool:
        try:
            answer = self._check()
            if inspect.isawaitable(answer):
                answer = await answer
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and not task.cancelling():  # What it has waited for was cancelled.
                self._say("raised CancelledError", error)
            return False
        except Exception as error:
            self._say(f"raised {type(error).__name__}", error)
            return False
        if answer is False:
            self._say("returned False")
            return False
        return True

    def _say(self, how: str, error: BaseException | None = None) -> None:
        # Once, when it begins to fail.
        if self.passes:
            logger.warning("health check %s %s: not ready", self._name, how, exc_info=error)

"""`Service`: servicers, and all that is around them, as one application with one life cycle."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from importlib.metadata import PackageNotFoundError, metadata
from importlib.resources import files
from typing import Any, TypeAlias

import grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH

from .background import Background, BackgroundTasks
from .framework.application import make_application
from .framework.routing import opened
from .gateway import ServiceGateway
from .health import Health
from .interceptors.metrics import Metrics
from .interceptors.standard import StandardInterceptor
from .native.channel_args import channel_arguments
from .reflection import ReflectionService
from .resourceful import Resourceful
from .rpc.error_codes import ErrorCodes
from .rpc.methods import service_names
from .server.sockets import PortError, address_of
from .server.tls import Tls
from .settings import ServiceSettings

logger = logging.getLogger("polyrpc.service")

Lifespan = Callable[[Any, Health], AbstractAsyncContextManager[Any]]

_InterceptorOrClass: TypeAlias = grpc.aio.ServerInterceptor | type[grpc.aio.ServerInterceptor]

_SECONDS_TO_BREAK_OFF = 1.0


class Service:
    """A service: its servicers on every protocol, with all that `settings` ask for.

    Order of a start: TLS files, `lifespan`, servicers, gRPC server, health SERVING, HTTP,
    background tasks. A stop goes the other way: nothing of the resources closes before the last
    call and the last background task have ended. It is the same under `run` and under any ASGI
    server.

    Args:
        settings: Where to listen, whom to let in, how to stop.
        package: The service's package, `__package__` in the module that calls this: where its
            `descriptors.binpb` is; its distribution gives name, version and summary.
        servicers: Servicer classes, made at each start; one whose `__init__` takes an argument gets
            the resources. Instances are taken as they are.
        lifespan: `lifespan(settings, health)` is entered before anything listens, in each process.
            What it yields are the resources.
        background: Coroutine functions that take the resources; see `BackgroundTasks`.
        interceptors: `polyrpc.Interceptor` or any `grpc.aio.ServerInterceptor`, outermost first;
            they run inside the built-in ones. Classes are made at each start, as servicers are.
        errors: The status codes of the team's own exceptions, subclasses included.
        routes: The team's own routes, as the framework takes them.
        open_routes: More of them, each a `Gateway` of the framework's or a `Path` of lilya's, that
            need none of the `AUTH_TOKENS`: their handlers must know by something else, such as a
            signature, who sends. `MAX_MESSAGE_BYTES` holds for every body.
        middleware: The team's own middleware, as the framework takes it.

    Attributes:
        app: The application, for any ASGI server.
        gateway: Its gateway.
        health: Where what the service depends on is watched.
        metrics: Where calls and requests are counted.
        settings: As given.
        tls: The TLS of both listeners; None: they speak plain text.

    Raises:
        SettingsError: The TLS files or the settings of traces are no good.
        TypeError: The lifespan, an interceptor, a background task, an open route or a class of
            `errors` is none.
        ValueError: A servicer is none, it or an interceptor wants more than resources, or two
            servicers answer the same RPC.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        *,
        package: str,
        servicers: Sequence[Any],
        lifespan: Lifespan | None = None,
        background: Iterable[Background] = (),
        interceptors: Iterable[_InterceptorOrClass] = (),
        errors: Mapping[type[Exception], grpc.StatusCode] | None = None,
        routes: Sequence[Any] = (),
        open_routes: Sequence[Any] = (),
        middleware: Sequence[Any] = (),
    ) -> None:
        self.settings = settings
        _check_lifespan(lifespan)
        servicers = _list_of("servicers", servicers)
        names = service_names(
            servicer if isinstance(servicer, type) else type(servicer) for servicer in servicers
        )
        self.health = Health(names)
        self.metrics = Metrics()
        self.tls = Tls.from_settings(settings)
        self._lifespan = lifespan
        self._background = BackgroundTasks(_list_of("background", background))
        made, around = (
            [Resourceful(one, with_resources=lifespan is not None) for one in things]
            for things in (servicers, _list_of("interceptors", interceptors))
        )
        self._resourceful = [*made, *around]
        self.gateway = ServiceGateway(
            path="/grpc",
            services=[one.instance for one in made],
            http_methods=["POST"],
            is_secure=self.tls is not None,
            server_credentials=None if self.tls is None else self.tls.credentials,
            host=address_of(settings.grpc_host),
            port=settings.grpc_port,
            native_services=[
                self.health,
                *([ReflectionService([*names, HEALTH])] if settings.reflection else []),
            ],
            interceptors=[
                StandardInterceptor.from_settings(settings, self.metrics),
                *([ErrorCodes(errors)] if errors else []),
                *(one.instance for one in around),
            ],
            options=channel_arguments(settings),
            max_message_bytes=settings.max_message_bytes,
            default_timeout=settings.default_timeout_seconds,
            descriptor_set=_descriptor_set(package),
        )
        name, version, summary = _about(package)
        self.app: Any = make_application(
            self.gateway,
            self.health,
            self.metrics,
            settings,
            package=package,
            title=name,
            version=version,
            summary=summary,
            routes=[*opened(_list_of("open_routes", open_routes)), *_list_of("routes", routes)],
            middleware=middleware,
            lifespan=lambda _app: self._as_lifespan(),
        )
        self.app.state.service = self
        self._resources = AsyncExitStack()
        self._watch: asyncio.Task[None] | None = None
        self._closing: asyncio.Future[None] | None = None

    @staticmethod
    def of(app: Any) -> Service:
        """The service whose application `app` is.

        Raises:
            TypeError: It is no service's.
        """
        service = getattr(getattr(app, "state", None), "service", None)
        if not isinstance(service, Service):
            raise TypeError("create_app must return the `app` of a polyrpc.Service")
        return service

    @property
    def grpc_port(self) -> int:
        """The port that gRPC has to itself; 0: it does not listen, or has none."""
        return self.gateway.bound_port or 0

    async def start(self) -> None:
        """Enters the lifespan, makes the servicers, starts gRPC and then reports health.

        Raises:
            PortError: The gRPC port is taken.
            Exception: Whatever the lifespan or a servicer's constructor raises.
        """
        self._closing = None
        try:
            resources = None
            if self._lifespan is not None:
                entered = self._lifespan(self.settings, self.health)
                if not hasattr(entered, "__aenter__"):
                    raise _no_lifespan(self._lifespan)
                resources = await self._resources.enter_async_context(entered)
            self.app.state.resources = resources
            for one in self._resourceful:
                one.make(resources)
            await self.health.begin_watching()
            if self.settings.grpc_server == "aio":
                await self._listen()
        except BaseException:
            await self.close()
            raise
        if self.tls is not None:
            self._watch = asyncio.create_task(self.tls.watch())
        self.health.start()

    async def _listen(self) -> None:
        try:
            await self.gateway.startup()
        except OSError as error:
            raise PortError(error.errno, error.strerror or str(error)) from None

    def begin(self) -> None:
        """Starts the background tasks: calls of every protocol are accepted."""
        self._background.start(self.app.state.resources)

    def drain(self) -> None:
        """Asks load balancers, through health checks, to send no more calls."""
        self.health.drain()

    async def stop(self, grace: float | None = None) -> None:
        """Stops the gRPC server; calls in flight have `grace` (or the settings') seconds."""
        self.health.stop()
        if self._watch is not None:
            self._watch.cancel()
        await self.gateway.shutdown(self._grace(grace))

    async def close(self, grace: float | None = None) -> None:
        """Ends the background tasks and then leaves the lifespan; all calls have ended before.

        Args:
            grace: Seconds for the background tasks; None takes the settings'.
        """
        if self._closing is None:
            # What ends at once has the time to notice, even if there is none for more.
            enough = self._grace(grace) or _SECONDS_TO_BREAK_OFF / 2
            self._closing = asyncio.ensure_future(self._close(enough))
        if grace == 0.0:
            _, late = await asyncio.wait({self._closing}, timeout=_SECONDS_TO_BREAK_OFF)
            if late:
                logger.error("broken off: a background task or the lifespan had not ended")
        else:
            await asyncio.shield(self._closing)

    async def _close(self, grace: float) -> None:
        await self._background.stop(grace)
        self.health.end_watching()
        await self._resources.aclose()

    def _grace(self, grace: float | None) -> float:
        return self.settings.shutdown_grace_seconds if grace is None else grace

    @asynccontextmanager
    async def _as_lifespan(self) -> AsyncIterator[None]:
        await self.start()
        self.begin()
        try:
            yield
        finally:
            await self.stop()
            await self.close()


def _check_lifespan(lifespan: Any) -> None:
    """Refuses what cannot be entered, before anything is started."""
    if lifespan is None:
        return
    is_coroutine = inspect.iscoroutinefunction(lifespan) or inspect.isasyncgenfunction(lifespan)
    if is_coroutine or inspect.isgeneratorfunction(lifespan):
        raise _no_lifespan(lifespan)
    try:
        inspect.signature(lifespan).bind("settings", "health")
    except TypeError:
        name = getattr(lifespan, "__qualname__", repr(lifespan))
        raise TypeError(
            f"lifespan: {name} must be a function that takes (settings, health)"
        ) from None
    except ValueError:  # It does not tell.
        return


def _no_lifespan(lifespan: Any) -> TypeError:
    name = getattr(lifespan, "__qualname__", repr(lifespan))
    return TypeError(
        f"lifespan: {name} must make an asynchronous context manager: it is an `async def` with "
        "one `yield`, and `@asynccontextmanager` above it"
    )


def _list_of(argument: str, things: Any) -> list[Any]:
    try:
        return list(things)
    except TypeError:
        raise TypeError(f"{argument} must be a list, not {things!r}") from None


def _descriptor_set(package: str) -> bytes | None:
    with suppress(FileNotFoundError):
        return files(package).joinpath("descriptors.binpb").read_bytes()
    return None


def _about(package: str) -> tuple[str, str, str | None]:
    """Name, version and summary of the distribution that has the package."""
    name = package.partition(".")[0]
    try:
        about = metadata(name)
    except PackageNotFoundError:
        # Its distribution is called otherwise; to find it takes a look at all there are.
        from importlib.metadata import packages_distributions

        distributions = packages_distributions().get(name)
        if not distributions:
            return name, "0", None
        about = metadata(distributions[0])
    return about["Name"], about["Version"], about["Summary"]

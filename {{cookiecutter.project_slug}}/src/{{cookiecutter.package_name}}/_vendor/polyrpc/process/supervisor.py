"""Several processes on the same ports: started, watched, replaced and stopped by this one.

HTTP workers accept from one inherited socket, so that a connection that waits in its queue is
not lost with any worker. gRPC binds its own sockets (`SO_REUSEPORT`), since it takes none over.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from typing import Any

from .. import metric_files
from ..server.sockets import listen, reserve
from ..settings import ServiceSettings
from . import worker
from .signals import log_start, on_signals, terminal_is_gone

logger = logging.getLogger("polyrpc.process")

_QUICK_DEATH_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 30.0
_SECONDS_TO_OBEY = 10.0
_BEATS = 20


class Worker:
    """A process that serves.

    One that serves, and then is not heard of for a while, is killed: it is stopped, or blocked,
    and clients whose connections it has would wait for ever.

    Args:
        process: The process.
        answers: What it says.
        commands: What it is told.
        patience: For how many of its beats it may be silent.

    Attributes:
        dismissed: Its end is wanted, or somebody else's business.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        answers: asyncio.StreamReader,
        commands: asyncio.StreamWriter,
        patience: int,
    ) -> None:
        self.process = process
        self.dismissed = False
        self._answers = answers
        self._commands = commands
        self._patience = patience
        loop = asyncio.get_running_loop()
        self._born = loop.time()
        self._ready: asyncio.Future[bool] = loop.create_future()
        self._listening = asyncio.create_task(self._listen())

    @property
    def _serves(self) -> bool:
        return self._ready.done() and self._ready.result()

    async def ready(self) -> bool:
        """Waits until it serves; False if it dies before."""
        # Who waits may be cancelled, and others ask for it after that.
        return await asyncio.shield(self._ready)

    async def _listen(self) -> None:
        try:
            if await self._answers.readline() != worker.READY:
                return
            logger.info("worker %d serves", self.process.pid)
            self._ready.set_result(True)
            await self._hear_beats()
        finally:
            if not self._ready.done():
                self._ready.set_result(False)

    async def _hear_beats(self) -> None:
        missed = 0
        while missed < self._patience:
            try:
                # Beats that are missed are counted, not time: while this process was stopped
                # itself, nobody was silent.
                async with asyncio.timeout(worker.BEAT_SECONDS):
                    if not await self._answers.readline():
                        return
                missed = 0
            except TimeoutError:
                missed += 1
        logger.error("killing worker %d, whose event loop is stopped or blocked", self.process.pid)
        self.process.kill()

    def dismiss(self, command: bytes) -> None:
        """Tells it to end."""
        self.dismissed = True
        if self._serves:
            self._commands.write(command)
        elif self.process.returncode is None:
            self.process.terminate()

    async def ended(self) -> tuple[str, bool]:
        """Waits for its end, and tells how it ended and whether that was soon after its start."""
        status = await self.process.wait()
        self._listening.cancel()
        self._commands.close()
        age = asyncio.get_running_loop().time() - self._born
        how = f"ended with status {status}"
        if status < 0:
            how = f"was killed by {signal.Signals(-status).name}"
        return how, age < _QUICK_DEATH_SECONDS


class Supervisor:
    """Keeps `settings.workers` workers serving.

    SIGTERM and SIGINT stop them, SIGHUP replaces them one after the other without losing calls.

    Args:
        create_app: Makes the application of each; imported by its name.
        settings: What they serve with.
        beats: For how many of their beats they may be silent before they are killed.
    """

    def __init__(
        self, create_app: Callable[[Any], Any], settings: ServiceSettings, beats: int = _BEATS
    ) -> None:
        self._create_app = create_app
        self._settings = settings
        self._beats = beats
        self._workers: set[Worker] = set()
        self._watches: set[asyncio.Task[None]] = set()
        self._errands: set[asyncio.Task[None]] = set()
        self._shared: list[socket.socket] = []
        self._quick_deaths = 0
        self._status = 0
        self._stopping = False
        self._restarting = asyncio.Lock()

    async def run(self) -> int:
        """Supervises until a signal ends it.

        Returns:
            The exit status: 0; or that of the first worker if it could not start.

        Raises:
            PortError: A port is taken.
        """
        signals = on_signals(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        with ExitStack() as resources:
            self._bind(resources)
            self._share_metrics(resources)
            self._errand(self._start(signals))
            while await signals.get() is signal.SIGHUP and not terminal_is_gone():
                self._errand(self._restart())
            # From now on the port is as free as the workers leave it.
            for listener in self._shared:
                listener.close()
            await self._stop(signals)
        return self._status

    def _bind(self, resources: ExitStack) -> None:
        settings = self._settings
        http = resources.enter_context(listen(settings.http_host, settings.http_port, "HTTP"))
        ports = {"http_port": http.getsockname()[1]}
        if settings.grpc_server == "aio":
            grpc = resources.enter_context(reserve(settings.grpc_host, settings.grpc_port, "gRPC"))
            ports["grpc_port"] = grpc.getsockname()[1]
        self._shared = [http]
        if settings.admin_port is not None:
            admin = resources.enter_context(
                listen(settings.http_host, settings.admin_port, "probes")
            )
            ports["admin_port"] = admin.getsockname()[1]
            self._shared.append(admin)
        self._settings = settings.model_copy(update=ports)
        # Workers read the same settings as this process did, but for ports chosen here.
        prefix = settings.prefix()
        os.environ.update({prefix + name.upper(): str(port) for name, port in ports.items()})

    def _share_metrics(self, resources: ExitStack) -> None:
        try:
            folder = resources.enter_context(
                tempfile.TemporaryDirectory(prefix="metrics-", ignore_cleanup_errors=True)
            )
            metric_files.check_space(folder, self._settings.workers)
        except OSError as error:
            metric_files.in_memory(error)
        else:
            os.environ[metric_files.FOLDER] = folder

    async def _start(self, signals: asyncio.Queue[signal.Signals]) -> None:
        # One shows whether any can start: what is wrong is said once.
        try:
            first = await self._launch(dismissed=True)
        except OSError as error:
            self._status = 1
            logger.error("no worker can be started: %s", error.strerror)
            signals.put_nowait(signal.SIGTERM)
            return
        if not await first.ready():
            self._status = max(await first.process.wait(), 1)
            if self._status != 2:  # It has named the setting.
                logger.error("the first worker %s before it served", (await first.ended())[0])
            signals.put_nowait(signal.SIGTERM)
            return
        first.dismissed = False
        settings = self._settings
        await asyncio.gather(*(self._replace(0.0) for _ in range(settings.workers - 1)))
        has_own = settings.grpc_server == "aio"
        grpc_port = settings.grpc_port if has_own else settings.http_port
        log_start(settings, settings.http_port, grpc_port, settings.admin_port)

    async def _restart(self) -> None:
        async with self._restarting:
            logger.info("replacing the workers")
            for old in list(self._workers):
                if old not in self._workers:
                    continue  # It has died, and another has followed.
                try:
                    new = await self._launch(dismissed=True)
                except OSError as error:
                    logger.error("no worker can be started now: %s", error.strerror)
                    is_ready = False
                else:
                    is_ready = await new.ready()
                if not is_ready:
                    logger.error("the new worker does not start: the others go on as they are")
                    return
                new.dismissed = False
                old.dismiss(worker.RETIRE)
                try:
                    await asyncio.wait_for(old.process.wait(), self._patience)
                except TimeoutError:
                    logger.error("killing worker %d, which does not stop", old.process.pid)
                    old.process.kill()
            logger.info("replaced the workers")

    async def _stop(self, signals: asyncio.Queue[signal.Signals]) -> None:
        self._stopping = True
        for errand in self._errands:
            errand.cancel()
        for one in self._workers:
            one.dismiss(worker.STOP)
        ended = asyncio.create_task(self._all_ended())
        hurry = asyncio.create_task(signals.get())
        await asyncio.wait(
            [ended, hurry], timeout=self._patience, return_when=asyncio.FIRST_COMPLETED
        )
        hurry.cancel()
        for one in self._workers:
            one.dismiss(worker.NOW)
        await asyncio.wait([ended], timeout=_SECONDS_TO_OBEY)
        for one in self._workers:
            logger.error("killing worker %d, which does not stop", one.process.pid)
            one.process.kill()
        await ended
        logger.info("stopped")

    @property
    def _patience(self) -> float:
        settings = self._settings
        return settings.drain_seconds + settings.shutdown_grace_seconds + _SECONDS_TO_OBEY

    async def _all_ended(self) -> None:
        await asyncio.gather(*self._watches)

    async def _launch(self, *, dismissed: bool = False) -> Worker:
        ours, theirs = socket.socketpair()
        with theirs, ExitStack() as failed:
            failed.callback(ours.close)
            sockets = [theirs, *self._shared]
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", __package__),
                *map(worker.reference, (self._create_app, type(self._settings))),
                *(str(one.fileno()) for one in sockets),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[one.fileno() for one in sockets],
            )
            failed.pop_all()
        one = Worker(process, *await asyncio.open_connection(sock=ours), self._beats)
        one.dismissed = dismissed
        self._workers.add(one)
        watch = asyncio.create_task(self._watch(one))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)
        return one

    async def _watch(self, one: Worker) -> None:
        how, quick = await one.ended()
        self._workers.discard(one)
        if self._stopping:
            if (one.process.returncode or 0) > 0:
                self._status = 1  # It has said why.
            return
        if folder := os.environ.get(metric_files.FOLDER):
            metric_files.forget(folder, one.process.pid)
        if one.dismissed:
            return
        self._quick_deaths = self._quick_deaths + 1 if quick else 0
        pause = min(0.25 * 2**self._quick_deaths, _LONGEST_PAUSE_SECONDS) if quick else 0.0
        logger.error("worker %d %s, another follows in %g s", one.process.pid, how, pause)
        self._errand(self._replace(pause))

    async def _replace(self, pause: float) -> None:
        while True:
            await asyncio.sleep(pause)
            try:
                one = await self._launch()
            except OSError as error:
                pause = _LONGEST_PAUSE_SECONDS
                logger.error("no worker can be started now (%s), trying again", error.strerror)
            else:
                await one.ready()
                return

    def _errand(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

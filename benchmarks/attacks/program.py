"""The attacks, one after the other, each on a service of its own that this starts and stops.

    python program.py [--quick] [--only WORD]

Run it with the interpreter of an environment that holds the default service; `run.py` makes one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "operations"))

import families
from attack import Attack, Outcome, Target, broken
from measure import Memory, calm
from running import service

WARM_UP_SECONDS = 0.5
LONGEST_SECONDS = 60.0
SECONDS_TO_STOP = 15.0
WIDTHS = (38, 56, 15, 14, 17, 0)


class Honest:
    """The process of the honest callers."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @asynccontextmanager
    async def calling(self, target: Target, token: str) -> AsyncIterator[dict[str, Any]]:
        """Lets them call during the block; what became of it is in the dictionary after it."""
        ports = {"http": target.http_port, "grpc": target.grpc_port, "token": token}
        self._write(json.dumps(ports))
        figures: dict[str, Any] = {}
        try:
            yield figures
        finally:
            self._write("")
            assert self._process.stdout is not None
            figures.update(json.loads(await self._process.stdout.readline()))

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")


@asynccontextmanager
async def honest_callers() -> AsyncIterator[Honest]:
    """Starts their process, and ends it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(Path(__file__).with_name("honest.py"))),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Honest(process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def carry_out(attack: Attack, honest: Honest, turn: asyncio.Lock, *, quick: bool) -> Outcome:
    """Starts a service, attacks it when it is its turn, measures, and stops it."""
    async with service(**attack.settings) as running:
        ports = await running.line("serving")
        target = Target(ports["http_port"], ports["grpc_port"], running, quick)
        async with turn:
            # What is made with the first calls is no growth.
            async with honest.calling(target, attack.token):
                await asyncio.sleep(WARM_UP_SECONDS)
            async with honest.calling(target, attack.token) as figures:
                sent, mib, seconds = await measured(attack, target)
        await stop(target)
    failed = sum(figures["failed"].values())
    if attack.bounds.failures is not None:
        target.faults += [f"{count}x {reason}" for reason, count in figures["failed"].items()]
    return Outcome(sent, mib, seconds, figures["answered"] + failed, failed, tuple(target.faults))


async def measured(attack: Attack, target: Target) -> tuple[str, float, float]:
    """Attacks; returns what was sent, the growth of memory and the seconds until it was calm."""
    pid = target.running.process.pid
    memory = Memory(pid)
    target.memory = memory.lap
    start = time.monotonic()
    sent = "(not all)"
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            sent = await attack.run(target)
            await calm(pid, target.http_port, target.grpc_port)
    except TimeoutError:
        target.faults.append(f"not over after {LONGEST_SECONDS:.0f} s")
    except Exception as error:  # The others are still to come.
        target.faults.append(f"{type(error).__name__}: {error}")
    return sent, memory.growth(), time.monotonic() - start


async def stop(target: Target) -> None:
    """Asks the service to stop, and wants it to."""
    process = target.running.process
    try:
        process.terminate()
        async with asyncio.timeout(SECONDS_TO_STOP):
            while process.returncode is None:  # noqa: ASYNC110 - `wait` waits for its log as well
                await asyncio.sleep(0.02)
    except ProcessLookupError:
        target.faults.append("it has ended")
    except TimeoutError:
        target.faults.append(f"it has not stopped {SECONDS_TO_STOP:.0f} s after SIGTERM")
        process.kill()


def row(*cells: str) -> str:
    """A line of the table."""
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()


def of(value: float, bound: float | None, form: str) -> str:
    """A figure and its bound."""
    return f"{value:{form}} of {'any' if bound is None else f'{bound:.0f}'}"


async def main(wanted: str, *, quick: bool) -> int:
    """Carries out the attacks and prints the table; returns how many bounds are broken."""
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    start = time.monotonic()
    attacks = [one for one in families.ATTACKS if wanted in one.name and (one.quick or not quick)]
    print("Figures, and their bounds: growth of memory at its peak; time from the first byte until")
    print("the service was calm; calls of honest callers meanwhile, of which none may fail.\n")
    print(row("attack", "sent", "memory, MiB", "calm after, s", "honest calls", ""))
    count, turn = 0, asyncio.Lock()
    # While one is attacked, the one before it stops, and the next one starts, if there is no time.
    running = asyncio.Semaphore(2 if quick else 1)

    async def begin(attack: Attack) -> Outcome:
        async with running:
            return await carry_out(attack, honest, turn, quick=quick)

    async with honest_callers() as honest, asyncio.TaskGroup() as group:
        for attack, task in [(one, group.create_task(begin(one))) for one in attacks]:
            outcome = await task
            lines, bounds = broken(attack, outcome), attack.bounds
            count += len(lines)
            figures = (
                of(outcome.mib, None if attack.known else bounds.mib, ".0f"),
                of(outcome.seconds, None if attack.known else bounds.seconds, ".1f"),
                f"{outcome.calls}, failed {outcome.failures}",
            )
            verdict = "known" if attack.known else "FAIL" if lines else "PASS"
            print(row(attack.name, outcome.sent, *figures, verdict))
            for line in [attack.known, *outcome.faults] if attack.known else lines:
                print(f"    {line}")
            sys.stdout.flush()
    print(f"\n{len(attacks)} attacks in {time.monotonic() - start:.0f} s; broken bounds: {count}")
    return count


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    try:
        sys.exit(1 if asyncio.run(main(options.only, quick=options.quick)) else 0)
    except (KeyboardInterrupt, asyncio.CancelledError):  # All that was started has been stopped.
        sys.exit(130)

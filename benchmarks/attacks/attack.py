"""What an attack is, what it may cost, and what it turned out to cost. Imports no other module."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

MIB = 1024 * 1024

ONE_PORT: Mapping[str, object] = {"HTTP2": "true", "GRPC_SERVER": "none"}
"""Settings of a service that has HTTP/2 and gRPC on the HTTP port, honest callers' among them."""

STREAM_MIB = 32 / 1024
"""What a call over HTTP/2 may take as long as it lasts, besides its message and its answer."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an attack may cost; None: as much as it does.

    Attributes:
        mib: By how much the resident memory of the service may grow, at its peak, in MiB.
        seconds: From the first byte until the service is calm again.
        failures: Calls of honest callers.
    """

    mib: float | None = 32
    seconds: float | None = 15
    failures: int | None = 0


@dataclass(slots=True)
class Target:
    """A service that is attacked.

    Attributes:
        http_port: Where it serves HTTP, on this machine.
        grpc_port: Where it serves gRPC.
        running: Its process and its log.
        quick: Whether the short form is wanted.
        memory: Tells by how much its memory has grown, at its peak since it was last asked, in MiB.
        faults: What it did wrong; an attack adds to them.
    """

    http_port: int
    grpc_port: int
    running: Any
    quick: bool
    memory: Callable[[], float] = lambda: 0.0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack.

    Attributes:
        name: For the table.
        run: Attacks, and answers what was sent.
        bounds: What it may cost.
        settings: Of the service, without the prefix of their variables.
        quick: Whether the short form has it.
        token: What honest callers show.
        known: Why it has no bounds, if it has none.
    """

    name: str
    run: Callable[[Target], Awaitable[str]]
    bounds: Bounds = field(default_factory=Bounds)
    settings: Mapping[str, object] = field(default_factory=dict)
    quick: bool = True
    token: str = ""
    known: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attack cost.

    Attributes:
        sent: What was sent.
        mib: The growth of the service's memory, at its peak.
        seconds: From the first byte until the service was calm.
        calls: How many calls honest callers made meanwhile.
        failures: How many of them failed.
        faults: What else went wrong.
    """

    sent: str
    mib: float
    seconds: float
    calls: int
    failures: int
    faults: tuple[str, ...] = ()


def broken(attack: Attack, outcome: Outcome) -> list[str]:
    """Compares what an attack cost with its bounds.

    Returns:
        A line about each bound that is broken, and about each other fault; none for what is known.
    """
    if attack.known:
        return []
    bounds, lines = attack.bounds, list(outcome.faults)
    if bounds.mib is not None and outcome.mib > bounds.mib:
        lines.append(f"memory grew by {outcome.mib:.0f} MiB, more than {bounds.mib:.0f}")
    if bounds.seconds is not None and outcome.seconds > bounds.seconds:
        lines.append(f"calm after {outcome.seconds:.1f} s, not {bounds.seconds:.0f}")
    if bounds.failures is not None and outcome.failures > bounds.failures:
        lines.append(f"{outcome.failures} honest calls failed, more than {bounds.failures}")
    if not outcome.calls:
        lines.append("no honest call was answered")
    return lines

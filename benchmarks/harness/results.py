"""What is measured, as it is written to JSON: every round, nothing summed up."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Rounds = list[float]


@dataclass(slots=True)
class Results:
    """All figures of a run; each list has one number for each round.

    Attributes:
        about: When, where and with what it was measured.
        missing: What of the servers could not be had and why, by their names.
        peaks: By target, size and figure: `requests_per_second`, `cpu_us`, `load_us`.
        latencies: By target, size and figure: `rate`, `p50_us`, `p99_us`.
        first_messages: Of streams, by target: `first_us`, and `second_us`, a pause later.
        starts: By program: `seconds`, `memory_mib`.
        connections: By server: `idle_kib`, and with N connections `calls_N` a second and
            `us_N` of processor time for each.
        workers: By protocol and how many there are: `requests_per_second`, `cpu_us`, `load_us`.
        services: By how many are in a process: `seconds` and `memory_mib` of its start, processor
            time of a call in `http_us` and `grpc_us`.
        generations: Seconds, by how the template's hook installs the compiler: `uv`, `pip`.
    """

    about: dict[str, Any]
    missing: dict[str, str] = field(default_factory=dict)
    peaks: dict[str, dict[str, dict[str, Rounds]]] = field(default_factory=dict)
    latencies: dict[str, dict[str, dict[str, Rounds]]] = field(default_factory=dict)
    first_messages: dict[str, dict[str, Rounds]] = field(default_factory=dict)
    starts: dict[str, dict[str, Rounds]] = field(default_factory=dict)
    connections: dict[str, dict[str, Rounds]] = field(default_factory=dict)
    workers: dict[str, dict[str, dict[str, Rounds]]] = field(default_factory=dict)
    services: dict[str, dict[str, Rounds]] = field(default_factory=dict)
    generations: dict[str, Rounds] = field(default_factory=dict)

    def write(self, file: Path) -> None:
        """Writes them as JSON."""
        file.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> Results:
        """Reads what `write` wrote."""
        return cls(**json.loads(file.read_text(encoding="utf-8")))


def add(figures: dict[str, Rounds], **values: float) -> None:
    """Adds the figures of a round, with four significant digits."""
    for name, value in values.items():
        figures.setdefault(name, []).append(float(f"{value:.4g}"))
